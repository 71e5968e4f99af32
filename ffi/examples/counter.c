/*
 * A watcher that counts: its ticks, and the messages it is sent. The message "stop" ends it.
 *
 *     cc counter.c -lhersh -o counter && ./counter
 *
 * With HERSH_API=127.0.0.1:8080 in the environment it can be watched and steered over HTTP too.
 */
#include <hersh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called with the value before, or NULL: sets the value after. */
static int32_t add_one(HershPoll *poll, void *user_data) {
    const char *before = hersh_poll_previous_json(poll);
    char after[32];
    (void)user_data;
    snprintf(after, sizeof after, "%lld", before ? atoll(before) + 1 : 1LL);
    return hersh_poll_set_json(poll, after) == HERSH_STATUS_OK ? HERSH_OUTCOME_OK
                                                               : HERSH_OUTCOME_ERROR;
}

/* Runs once at the start, then again for each message and each tick; never twice at once. */
static int32_t count(const char *message, HershContext *context, void *user_data) {
    HershTick tick;
    (void)user_data;
    if (hersh_context_watch_tick(context, "tick", 100, &tick) != HERSH_STATUS_OK) {
        return hersh_context_crash(context, hersh_last_error_message());
    }
    if (tick.triggered) hersh_context_update_value_json(context, "ticks", add_one, NULL);
    if (message == NULL) return HERSH_OUTCOME_OK;

    hersh_context_update_value_json(context, "messages", add_one, NULL);
    printf("message: %s\n", message);
    if (strcmp(message, "stop") == 0) return hersh_context_stop(context, "the user asked");
    return HERSH_OUTCOME_OK;
}

static void say_goodbye(HershContext *context, void *user_data) {
    char *ticks = NULL;
    (void)user_data;
    if (hersh_context_get_value_json(context, "ticks", &ticks) == HERSH_STATUS_OK) {
        printf("ticks: %s\n", ticks);
        hersh_string_free(ticks);
    }
}

static void check(HershStatus status) {
    if (status == HERSH_STATUS_OK) return;
    fprintf(stderr, "%s: %s\n", hersh_status_name(status), hersh_last_error_message());
    exit(1);
}

int main(void) {
    HershWatcher *watcher = NULL;
    const char *api = getenv("HERSH_API");
    check(hersh_watcher_new(NULL, &watcher));
    check(hersh_watcher_manage(watcher, "count", count, NULL, NULL));
    check(hersh_watcher_cleanup(watcher, say_goodbye, NULL, NULL));
    if (api) check(hersh_watcher_start_api_server(watcher, api, NULL));

    check(hersh_watcher_start(watcher));
    check(hersh_watcher_send(watcher, "hello"));
    if (!api) check(hersh_watcher_send(watcher, "stop"));
    check(hersh_watcher_wait(watcher, HERSH_FOREVER, NULL));
    printf("it is %s\n", hersh_state_name(hersh_watcher_state(watcher)));
    return hersh_watcher_free(watcher) == HERSH_STATUS_OK ? 0 : 1;
}
