/* A watcher is created, managed, started, sent messages, and stopped. */
#include "check.h"

typedef struct {
    int executions;
    int cleanups;
    int freed;
    char last[64];
    size_t last_length;
} Seen;

static int32_t managed(const char *message, HershContext *context, void *user_data) {
    Seen *seen = user_data;
    /* A session counts its own executions. */
    if (message == NULL) seen->executions = 0;
    seen->executions++;
    CHECK(hersh_context_attempt(context) == 1);
    CHECK(hersh_context_execution(context) == (uint64_t)seen->executions);
    CHECK(strcmp(hersh_context_get_env(context, "KEY"), "value") == 0);
    CHECK(hersh_context_get_env(context, "OTHER") == NULL);
    CHECK(hersh_context_now_ms(context) <= hersh_context_deadline_ms(context));
    CHECK(!hersh_context_cancelled(context));
    if (message == NULL) {
        CHECK(hersh_context_trigger(context) == HERSH_TRIGGER_INIT);
        CHECK(hersh_context_message_id(context) == 0);
        REFUSED(HERSH_STATUS_NOT_FOUND, "no message",
                hersh_context_message(context, &message, NULL));
        return HERSH_OUTCOME_OK;
    }
    CHECK(hersh_context_trigger(context) == HERSH_TRIGGER_MESSAGE);
    const char *whole = NULL;
    OK(hersh_context_message(context, &whole, &seen->last_length));
    CHECK(strcmp(whole, message) == 0);
    CHECK(seen->last_length < sizeof seen->last);
    memcpy(seen->last, whole, seen->last_length + 1);
    OK(hersh_context_log(context, message));
    return HERSH_OUTCOME_OK;
}

static void cleanup(HershContext *context, void *user_data) {
    CHECK(hersh_context_trigger(context) == HERSH_TRIGGER_CLEANUP);
    CHECK(hersh_context_attempt(context) == 0);
    ((Seen *)user_data)->cleanups++;
}

static void freed(void *user_data) { ((Seen *)user_data)->freed++; }

int main(void) {
    Seen seen = {0};
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    HershReport *report = NULL;
    char *text = NULL;

    CHECK(strcmp(hersh_version(), HERSH_VERSION) == 0);
    OK(hersh_config_new(&config));
    OK(hersh_config_set_name(config, "lifecycle"));
    OK(hersh_config_set_env(config, "KEY", "first"));
    OK(hersh_config_set_env(config, "KEY", "value"));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));

    OK(hersh_watcher_manage(watcher, "test", managed, &seen, freed));
    OK(hersh_watcher_cleanup(watcher, cleanup, &seen, freed));
    CHECK(hersh_watcher_state(watcher) == HERSH_STATE_NOT_RUN);
    CHECK(!hersh_watcher_is_running(watcher));
    OK(hersh_watcher_name(watcher, &text));
    CHECK(strcmp(text, "lifecycle") == 0);
    OK(hersh_string_free(text));
    OK(hersh_watcher_id(watcher, &text));
    CHECK(strncmp(text, "lifecycle-", 10) == 0);
    OK(hersh_string_free(text));

    OK(hersh_watcher_start(watcher));
    CHECK(hersh_watcher_is_running(watcher));
    OK(hersh_watcher_wait_for(watcher, HERSH_STATE_READY, LONG_MS));
    OK(hersh_watcher_send(watcher, "first"));
    OK(hersh_watcher_send_timeout(watcher, "second", LONG_MS));
    OK(hersh_watcher_send_bytes(watcher, (const uint8_t *)"a\0b and more", 3));
    OK(hersh_watcher_stop_with(watcher, LONG_MS, true, &report));
    CHECK(hersh_report_state(report) == HERSH_STATE_STOPPED);
    CHECK(hersh_report_unserved_count(report) == 0);
    OK(hersh_report_free(report));

    CHECK(seen.executions == 4 && seen.cleanups == 1);
    CHECK(seen.last_length == 3 && memcmp(seen.last, "a\0b", 4) == 0);
    OK(hersh_watcher_logs_json(watcher, "context", 10, &text));
    CHECK(strstr(text, "\"first\"") != NULL && strstr(text, "\"second\"") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_watcher_stats_json(watcher, &text));
    CHECK(strstr(text, "\"executions\":4") && strstr(text, "\"state\":\"Stopped\""));
    OK(hersh_string_free(text));

    /* A stopped watcher starts again. A stop that came any sooner would cancel its first execution. */
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_wait_for(watcher, HERSH_STATE_READY, LONG_MS));
    OK(hersh_watcher_stop(watcher, NULL));
    OK(hersh_watcher_wait(watcher, 0, NULL));
    CHECK(seen.cleanups == 2 && seen.freed == 0);
    OK(hersh_watcher_free(watcher));
    CHECK(seen.freed == 2);
    return finished();
}
