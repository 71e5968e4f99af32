/*
 * {{name}}: counts the seconds it has lived, and answers what it is asked.
 *
 * Messages: status, add N, stop. The count is kept in the folder that HERSH_STATE_DIR names, and is
 * there again after a restart.
 */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program where it cannot go on, and says why. */
static void check(HershStatus status, const char *what) {
    if (status == HERSH_STATUS_OK) return;
    fprintf(stderr, "{{name}}: %s: %s\n", what, hersh_last_error_message());
    exit(1);
}

int main(void) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    /* hersh dev says where the WatcherAPI is to listen; a container is reached from outside. */
    const char *address = getenv("HERSH_API_ADDR");
    if (address == NULL) {
        address = getenv("HERSH_PROGRAM_ID") ? "0.0.0.0:8080" : "127.0.0.1:8080";
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* what it says is seen at once */

    check(hersh_config_new(&config), "no configuration");
    check(hersh_config_set_name(config, "{{name}}"), "no name");
    check(hersh_watcher_new(config, &watcher), "no watcher");
    check(hersh_config_free(config), "no end of the configuration");
    check(program_install(watcher), "no function");
    check(hersh_watcher_start_api_server(watcher, address, NULL), "no WatcherAPI");
    check(hersh_watcher_run(watcher, NULL), "it did not run"); /* until it stops, or Ctrl-C */
    puts("good-bye");
    return hersh_watcher_free(watcher) == HERSH_STATUS_OK ? 0 : 1;
}
