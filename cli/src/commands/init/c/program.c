#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the count is kept. */
static void state_file(char *path, size_t size) {
    const char *folder = getenv("HERSH_STATE_DIR");
    snprintf(path, size, "%s/seconds", folder ? folder : ".");
}

static long read_count(void) {
    char path[4096];
    long count = 0;
    FILE *file;
    state_file(path, sizeof path);
    file = fopen(path, "r");
    if (file == NULL) return 0; /* the first start */
    if (fscanf(file, "%ld", &count) != 1) count = 0;
    fclose(file);
    return count;
}

/* Writes beside the old count and then renames: a sudden end leaves one or the other, whole. */
static int write_count(long count) {
    char path[4096], fresh[4200];
    FILE *file;
    int written;
    state_file(path, sizeof path);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    file = fopen(fresh, "w");
    if (file == NULL) return -1;
    written = fprintf(file, "%ld\n", count);
    if (fclose(file) != 0 || written < 0) return -1;
    return rename(fresh, path);
}

/* Adds to the count. hersh watch shows it as the value "seconds". */
static HershStatus add(HershContext *context, long number, long *count) {
    char text[32];
    *count = read_count() + number;
    if (number != 0 && write_count(*count) != 0) perror("the count could not be kept");
    snprintf(text, sizeof text, "%ld", *count);
    return hersh_context_set_value_json(context, "seconds", text);
}

/* Answers: in the log of the program (hersh logs), and as the value "answer". */
static void say(HershContext *context, const char *words) {
    char json[256];
    puts(words);
    snprintf(json, sizeof json, "\"%s\"", words);
    hersh_context_set_value_json(context, "answer", json);
}

static int32_t serve(HershContext *context, const char *message) {
    char words[128];
    long count = 0, number = 0;
    if (strcmp(message, "stop") == 0) return hersh_context_stop(context, "the user asked");
    if (strcmp(message, "status") == 0) {
        add(context, 0, &count);
        snprintf(words, sizeof words, "%ld seconds", count);
    } else if (sscanf(message, "add %ld", &number) == 1) {
        add(context, number, &count);
        snprintf(words, sizeof words, "added %ld: %ld seconds", number, count);
    } else {
        snprintf(words, sizeof words, "say status, add N or stop");
    }
    say(context, words);
    return HERSH_OUTCOME_OK;
}

/* Runs once at the start, then again for each message and each second; never twice at once. */
static int32_t count(const char *message, HershContext *context, void *user_data) {
    HershTick second;
    long seconds = 0;
    (void)user_data;
    if (hersh_context_watch_tick(context, "second", 1000, &second) != HERSH_STATUS_OK) {
        return hersh_context_crash(context, hersh_last_error_message());
    }
    if (second.triggered) add(context, 1, &seconds);
    return message ? serve(context, message) : HERSH_OUTCOME_OK;
}

HershStatus program_install(HershWatcher *watcher) {
    return hersh_watcher_manage(watcher, "count", count, NULL, NULL);
}
