/* What a program does wrong is a status and words, and never a crash. */
#include "check.h"

static HershContext *stale_context;
static HershWatcher *own;
static int freed_count;

static void frees(void *user_data) {
    (void)user_data;
    freed_count++;
}

static int32_t idle(const char *message, HershContext *context, void *user_data) {
    (void)message, (void)context, (void)user_data;
    return HERSH_OUTCOME_OK;
}

static int32_t misuses(const char *message, HershContext *context, void *user_data) {
    HershReport *report = NULL;
    (void)user_data;
    stale_context = context;
    if (message == NULL) return HERSH_OUTCOME_OK;
    REFUSED(HERSH_STATUS_INSIDE, "inside", hersh_watcher_stop(own, &report));
    CHECK(report == NULL);
    REFUSED(HERSH_STATUS_STATE, "Running", hersh_watcher_start(own));
    CHECK(hersh_watcher_wait(own, HERSH_FOREVER, NULL) == HERSH_STATUS_TIMED_OUT);
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "is a HershContext, not a HershPoll",
            hersh_poll_set_json((HershPoll *)context, "1"));
    OK(hersh_watcher_send(own, "to itself"));
    OK(hersh_watcher_request_stop(own, NULL));
    return HERSH_OUTCOME_OK;
}

static void null_arguments(void) {
    HershWatcher *watcher = watcher_of(idle, NULL);
    HershConfig *config = NULL;
    OK(hersh_config_new(&config));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "config is NULL", hersh_config_new(NULL));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "watcher is NULL", hersh_watcher_new(config, NULL));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "name is NULL", hersh_config_set_name(config, NULL));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "value is NULL", hersh_config_set_env(config, "k", NULL));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "watcher is NULL", hersh_watcher_start(NULL));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "content is NULL", hersh_watcher_send(watcher, NULL));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "content is NULL",
            hersh_watcher_send_bytes(watcher, NULL, 1));
    REFUSED(HERSH_STATUS_NULL_ARGUMENT, "managed is NULL",
            hersh_watcher_manage(watcher, "x", NULL, &freed_count, frees));
    CHECK(freed_count == 1);
    CHECK(hersh_watcher_state(NULL) == HERSH_STATE_INVALID);
    CHECK(hersh_context_cancelled(NULL));
    CHECK(hersh_context_stop(NULL, NULL) == HERSH_OUTCOME_STOP);
    OK(hersh_watcher_free(NULL));
    OK(hersh_config_free(NULL));
    OK(hersh_token_free(NULL));
    OK(hersh_report_free(NULL));
    OK(hersh_flow_free(NULL));
    OK(hersh_string_free(NULL));
    OK(hersh_config_free(config));
    OK(hersh_watcher_free(watcher));
}

static void texts_that_are_not_utf8(void) {
    HershWatcher *watcher = watcher_of(idle, NULL);
    HershConfig *config = NULL;
    char *text = NULL;
    OK(hersh_config_new(&config));
    REFUSED(HERSH_STATUS_INVALID_UTF8, "name is not UTF-8", hersh_config_set_name(config, "\xff"));
    REFUSED(HERSH_STATUS_INVALID_UTF8, "content is not UTF-8",
            hersh_watcher_send(watcher, "\xc3("));
    REFUSED(HERSH_STATUS_INVALID_UTF8, "content is not UTF-8",
            hersh_watcher_send_bytes(watcher, (const uint8_t *)"\xc3\xa9", 1));
    REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "no log named",
            hersh_watcher_logs_json(watcher, "none", 1, &text));
    CHECK(text == NULL);
    OK(hersh_config_free(config));
    OK(hersh_watcher_free(watcher));
}

static void wrong_states_and_settings(void) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    OK(hersh_config_new(&config));
    OK(hersh_config_set_signal_capacity(config, 0));
    REFUSED(HERSH_STATUS_CONFIG, "signal_capacity", hersh_watcher_new(config, &watcher));
    CHECK(watcher == NULL);
    OK(hersh_config_set_signal_capacity(config, 1));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    CHECK(hersh_watcher_start(watcher) == HERSH_STATUS_NOT_MANAGED);
    REFUSED(HERSH_STATUS_NOT_RUNNING, "NotRun", hersh_watcher_send(watcher, "x"));
    CHECK(hersh_watcher_wait(watcher, 0, NULL) == HERSH_STATUS_TIMED_OUT);
    REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "99", hersh_watcher_wait_for(watcher, 99, 0));
    OK(hersh_watcher_manage(watcher, "idle", idle, NULL, NULL));
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_wait_for(watcher, HERSH_STATE_READY, LONG_MS));
    REFUSED(HERSH_STATUS_STATE, "Ready", hersh_watcher_manage(watcher, "x", idle, NULL, NULL));
    OK(hersh_watcher_kill(watcher));
    REFUSED(HERSH_STATUS_STATE, "Killed", hersh_watcher_start(watcher));
    OK(hersh_watcher_free(watcher));
}

static void handles_that_are_not_alive(void) {
    HershWatcher *watcher = NULL;
    HershConfig *config = NULL;
    char *text = NULL;
    /* An address like any other, but one that looks like no type of handle wherever it lies. */
    static char aligned[32] __attribute__((aligned(32)));
    own = watcher = watcher_of(misuses, NULL);
    OK(hersh_config_new(&config));
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "is a HershConfig, not a HershWatcher",
            hersh_watcher_start((HershWatcher *)config));
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "no HershWatcher that is alive",
            hersh_watcher_start((HershWatcher *)aligned));
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_send(watcher, "go"));
    OK(hersh_watcher_wait(watcher, LONG_MS, NULL));
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "its callback has returned",
            hersh_context_log(stale_context, "too late"));
    OK(hersh_watcher_id(watcher, &text));
    OK(hersh_string_free(text));
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "string", hersh_string_free(text));
    OK(hersh_watcher_free(watcher));
    /* The words of a failure stay while calls succeed, frees among them. */
    CHECK(strstr(hersh_last_error_message(), "string") != NULL);
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "freed", hersh_watcher_free(watcher));
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "freed", hersh_watcher_send(watcher, "x"));
    CHECK(hersh_watcher_state(watcher) == HERSH_STATE_INVALID);
    OK(hersh_config_free(config));
    REFUSED(HERSH_STATUS_INVALID_HANDLE, "freed", hersh_config_free(config));
}

static void names_of_numbers(void) {
    CHECK(strcmp(hersh_status_name(HERSH_STATUS_PANIC), "HERSH_STATUS_PANIC") == 0);
    CHECK(strcmp(hersh_status_name(12345), "HERSH_STATUS_UNKNOWN") == 0);
    CHECK(strcmp(hersh_state_name(HERSH_STATE_WAIT_RECOVER), "WaitRecover") == 0);
    CHECK(strcmp(hersh_state_name(-7), "Invalid") == 0);
}

int main(void) {
    CHECK(hersh_last_error_message() == NULL);
    null_arguments();
    texts_that_are_not_utf8();
    wrong_states_and_settings();
    handles_that_are_not_alive();
    names_of_numbers();
    return finished();
}
