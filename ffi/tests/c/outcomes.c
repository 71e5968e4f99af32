/* What a managed function answers decides what becomes of its watcher. */
#include "check.h"

typedef struct {
    int runs;
    int cleanups;
} Seen;

static int32_t obeys(const char *message, HershContext *context, void *user_data) {
    Seen *seen = user_data;
    seen->runs++;
    if (message == NULL) return HERSH_OUTCOME_OK;
    if (strcmp(message, "error") == 0) return hersh_context_error(context, "no network");
    if (strcmp(message, "odd") == 0) return 17;
    if (strcmp(message, "stop") == 0) return hersh_context_stop(context, "the user asked");
    if (strcmp(message, "kill") == 0) return hersh_context_kill(context, "an emergency");
    /* Without words that can be read it is a crash all the same. */
    if (strcmp(message, "crash") == 0) return hersh_context_crash(context, "\xff");
    return HERSH_OUTCOME_OK;
}

static void counts(HershContext *context, void *user_data) {
    (void)context;
    ((Seen *)user_data)->cleanups++;
}

static HershWatcher *started(Seen *seen) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    OK(hersh_config_new(&config));
    OK(hersh_config_set_recovery(config, 2, 1, 1.0, 1, 0.0));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    OK(hersh_watcher_manage(watcher, "obey", obeys, seen, NULL));
    OK(hersh_watcher_cleanup(watcher, counts, seen, NULL));
    OK(hersh_watcher_start(watcher));
    return watcher;
}

static void ends(const char *message, HershState state, int runs, int cleanups) {
    Seen seen = {0};
    HershReport *report = NULL;
    HershWatcher *watcher = started(&seen);
    OK(hersh_watcher_send(watcher, message));
    OK(hersh_watcher_wait(watcher, LONG_MS, &report));
    CHECK(hersh_report_state(report) == state);
    CHECK(hersh_watcher_state(watcher) == state);
    OK(hersh_report_free(report));
    OK(hersh_watcher_free(watcher));
    CHECK(seen.runs == runs && seen.cleanups == cleanups);
}

static void errors_are_counted_and_survived(void) {
    Seen seen = {0};
    char *text = NULL;
    HershWatcher *watcher = started(&seen);
    OK(hersh_watcher_send(watcher, "error"));
    OK(hersh_watcher_send(watcher, "odd"));
    OK(hersh_watcher_stop_with(watcher, HERSH_FOREVER, true, NULL));
    OK(hersh_watcher_stats_json(watcher, &text));
    CHECK(strstr(text, "\"errors\":2") != NULL);
    CHECK(strstr(text, "the managed function returned 17") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_watcher_logs_json(watcher, "effect_result", 10, &text));
    CHECK(strstr(text, "no network") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_watcher_free(watcher));
}

static void a_parent_stops_its_watchers(void) {
    HershToken *parent = NULL;
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    Seen seen = {0};
    OK(hersh_token_new(HERSH_FOREVER, &parent));
    OK(hersh_config_new(&config));
    OK(hersh_config_set_parent(config, parent));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    OK(hersh_watcher_manage(watcher, "obey", obeys, &seen, NULL));
    OK(hersh_watcher_start(watcher));
    CHECK(!hersh_token_is_cancelled(parent));
    OK(hersh_token_cancel(parent));
    CHECK(hersh_token_is_cancelled(parent));
    OK(hersh_watcher_wait(watcher, LONG_MS, NULL));
    CHECK(hersh_watcher_state(watcher) == HERSH_STATE_STOPPED);
    CHECK(hersh_watcher_start(watcher) == HERSH_STATUS_PARENT_CANCELLED);
    OK(hersh_token_free(parent));
    OK(hersh_watcher_free(watcher));
}

static void what_was_not_served_is_reported(void) {
    Seen seen = {0};
    HershReport *report = NULL;
    size_t length = 0;
    HershWatcher *watcher = started(&seen);
    OK(hersh_watcher_send(watcher, "kill"));
    /* Whether it comes before the end decides between the report and an answer at once. */
    HershStatus sent = hersh_watcher_send(watcher, "too late");
    OK(hersh_watcher_wait(watcher, LONG_MS, &report));
    CHECK(hersh_report_state(report) == HERSH_STATE_KILLED);
    if (sent == HERSH_STATUS_OK) {
        CHECK(hersh_report_unserved_count(report) == 1);
        CHECK(strcmp(hersh_report_unserved(report, 0, &length), "too late") == 0);
        CHECK(length == 8);
    } else {
        CHECK(sent == HERSH_STATUS_NOT_RUNNING);
    }
    CHECK(hersh_report_unserved(report, 1, NULL) == NULL);
    OK(hersh_report_free(report));
    OK(hersh_watcher_free(watcher));
}

static int32_t leaves_messages(const char *message, HershContext *context, void *user_data) {
    HershWatcher *own = *(HershWatcher **)user_data;
    (void)message;
    OK(hersh_watcher_send_bytes(own, (const uint8_t *)"a\0b and more", 3));
    OK(hersh_watcher_send(own, "last"));
    return hersh_context_kill(context, "at once");
}

static void what_was_not_served_is_reported_whole(void) {
    HershReport *report = NULL;
    HershWatcher *watcher = NULL;
    size_t length = 0;
    watcher = watcher_of(leaves_messages, &watcher);
    OK(hersh_watcher_run(watcher, &report));
    CHECK(hersh_report_unserved_count(report) == 2);
    const char *whole = hersh_report_unserved(report, 0, &length);
    CHECK(length == 3 && memcmp(whole, "a\0b", 4) == 0);
    CHECK(strcmp(hersh_report_unserved(report, 1, NULL), "last") == 0);
    OK(hersh_report_free(report));
    OK(hersh_watcher_free(watcher));
}

int main(void) {
    ends("stop", HERSH_STATE_STOPPED, 2, 1);
    ends("kill", HERSH_STATE_KILLED, 2, 0);
    ends("crash", HERSH_STATE_CRASHED, 4, 1);
    errors_are_counted_and_survived();
    a_parent_stops_its_watchers();
    what_was_not_served_is_reported();
    what_was_not_served_is_reported_whole();
    return finished();
}
