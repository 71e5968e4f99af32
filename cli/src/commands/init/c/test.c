/* Tries the program in a simulation: nothing waits, and an hour takes a moment. */
#define _DEFAULT_SOURCE /* mkdtemp, setenv */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what, const char *found) {
    fprintf(stderr, "test: %s: %s\n", what, found);
    exit(1);
}

static void check(HershStatus status, const char *what) {
    if (status != HERSH_STATUS_OK) fail(what, hersh_last_error_message());
}

/* One life of the program: an hour, or none, then messages. Compares a value at the end, as JSON. */
static void expect(int hours, const char *const *messages, const char *key, const char *value) {
    HershSimulation *simulation = NULL;
    HershWatcher *watcher = NULL;
    char *found = NULL;
    check(hersh_simulation_new(7, &simulation), "no simulation");
    check(hersh_simulation_watcher_new(simulation, NULL, &watcher), "no watcher");
    check(program_install(watcher), "no function");
    check(hersh_watcher_start(watcher), "no start");
    check(hersh_simulation_advance_ms(simulation, hours * 3600 * 1000), "no hour");
    for (; *messages; messages++) {
        check(hersh_watcher_send(watcher, *messages), *messages);
        check(hersh_simulation_run_until_idle(simulation), *messages);
    }
    check(hersh_watcher_value_json(watcher, key, &found), key);
    if (strcmp(found, value) != 0) fail(key, found);
    hersh_string_free(found);
    check(hersh_watcher_free(watcher), "no end of the watcher");
    check(hersh_simulation_free(simulation), "no end of the simulation");
}

int main(void) {
    const char *nothing[] = {NULL};
    const char *add[] = {"add 40", "add 2", NULL};
    const char *status[] = {"status", NULL};
    const char *nonsense[] = {"hello", NULL};
    char folder[] = "/tmp/program-XXXXXX";
    char file[64];
    if (mkdtemp(folder) == NULL || setenv("HERSH_STATE_DIR", folder, 1) != 0) {
        perror("test: no folder");
        return 1;
    }
    expect(1, nothing, "seconds", "3600");
    expect(0, add, "answer", "\"added 2: 3642 seconds\"");
    expect(0, status, "answer", "\"3642 seconds\""); /* as it would be after a restart */
    expect(0, nonsense, "answer", "\"say status, add N or stop\"");
    snprintf(file, sizeof file, "%s/seconds", folder);
    unlink(file);
    rmdir(folder);
    if (hersh_alive() != 0) fail("the end", "something was not freed");
    puts("ok");
    return 0;
}
