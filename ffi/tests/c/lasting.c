/* What outlasts a session: persisted values, and a journal that is replayed. */
#include "check.h"

#include <unistd.h>

static char values_file[128], journal_file[128];

static int32_t adds_one(HershPoll *poll, void *user_data) {
    const char *before = hersh_poll_previous_json(poll);
    char after[32];
    (void)user_data;
    snprintf(after, sizeof after, "%d", before ? atoi(before) + 1 : 1);
    return hersh_poll_set_json(poll, after);
}

static int32_t counts(const char *message, HershContext *context, void *user_data) {
    (void)user_data;
    if (message) OK(hersh_context_update_value_json(context, "messages", adds_one, NULL));
    if (message && strcmp(message, "stop") == 0) return hersh_context_stop(context, "enough");
    return HERSH_OUTCOME_OK;
}

/* Stops one message too early. */
static int32_t differs(const char *message, HershContext *context, void *user_data) {
    (void)user_data;
    CHECK(strcmp(hersh_context_get_env(context, "KEY"), "value") == 0);
    return message ? hersh_context_stop(context, "at once") : HERSH_OUTCOME_OK;
}

static void frees(void *user_data) { ++*(int *)user_data; }

static void session(const char *expected) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    char *value = NULL;
    OK(hersh_config_new(&config));
    OK(hersh_config_set_persist(config, values_file, HERSH_PERSIST_WHEN_EACH_EXECUTION));
    OK(hersh_config_set_journal(config, journal_file, HERSH_JOURNAL_MAX_BYTES, HERSH_JOURNAL_KEEP));
    OK(hersh_config_set_seed(config, 3));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    OK(hersh_watcher_manage(watcher, "count", counts, NULL, NULL));
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_send(watcher, "hello"));
    OK(hersh_watcher_send(watcher, "stop"));
    OK(hersh_watcher_wait(watcher, LONG_MS, NULL));
    OK(hersh_watcher_values_json(watcher, &value));
    CHECK(strcmp(value, expected) == 0);
    OK(hersh_string_free(value));
    OK(hersh_watcher_free(watcher));
}

static void the_journal_is_replayed(void) {
    HershReplay *replay = NULL;
    bool same = false;
    char *report = NULL;
    int freed = 0;
    OK(hersh_replay_new(journal_file, &replay));
    OK(hersh_replay_set_env(replay, "KEY", "value"));
    OK(hersh_replay_run(replay, counts, &freed, frees, &same, &report));
    CHECK(same && freed == 1);
    CHECK(strstr(report, "\"divergence\":null") != NULL && strstr(report, "\"torn\":false") != NULL);
    OK(hersh_string_free(report));
    OK(hersh_replay_run(replay, differs, NULL, NULL, &same, &report));
    CHECK(!same && strstr(report, "\"expected\":\"Running -> Ready") != NULL);
    CHECK(strstr(report, "\"index\":3") != NULL && strstr(report, "\"found\":null") != NULL);
    OK(hersh_string_free(report));
    OK(hersh_replay_free(replay));
}

/* A process that is asked for it replays without a line of its own. */
static void a_program_is_replayed(void) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    HershReport *ended = NULL;
    char *value = NULL;
    CHECK(setenv("HERSH_REPLAY", journal_file, 1) == 0);
    OK(hersh_config_new(&config));
    OK(hersh_config_set_persist(config, values_file, HERSH_PERSIST_WHEN_EACH_EXECUTION));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_watcher_manage(watcher, "count", counts, NULL, NULL));
    OK(hersh_watcher_run(watcher, &ended));
    CHECK(hersh_report_state(ended) == HERSH_STATE_STOPPED);
    OK(hersh_report_free(ended));
    OK(hersh_watcher_values_json(watcher, &value));
    CHECK(strcmp(value, "{\"messages\":4}") == 0);
    OK(hersh_string_free(value));
    OK(hersh_watcher_free(watcher));
    OK(hersh_config_set_env(config, "KEY", "value"));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    OK(hersh_watcher_manage(watcher, "count", differs, NULL, NULL));
    REFUSED(HERSH_STATUS_MISMATCH, "transition 3", hersh_watcher_start(watcher));
    OK(hersh_watcher_free(watcher));
    CHECK(unsetenv("HERSH_REPLAY") == 0);
}

static void files_that_cannot_be_read_are_left_alone(void) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    HershReplay *replay = NULL;
    bool same = false;
    FILE *file = fopen(values_file, "w");
    CHECK(file != NULL && fputs("my diary", file) >= 0 && fclose(file) == 0);
    OK(hersh_config_new(&config));
    OK(hersh_config_set_persist(config, values_file, HERSH_PERSIST_WHEN_AT_STOP));
    REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "when", hersh_config_set_persist(config, values_file, 9));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    OK(hersh_watcher_manage(watcher, "count", counts, NULL, NULL));
    REFUSED(HERSH_STATUS_UNREADABLE, values_file, hersh_watcher_start(watcher));
    OK(hersh_watcher_free(watcher));
    OK(hersh_replay_new(values_file, &replay));
    REFUSED(HERSH_STATUS_UNREADABLE, "not a journal",
            hersh_replay_run(replay, counts, NULL, NULL, &same, NULL));
    OK(hersh_replay_free(replay));
    OK(hersh_replay_new("/nowhere/at/all", &replay));
    REFUSED(HERSH_STATUS_OS, "/nowhere",
            hersh_replay_run(replay, counts, NULL, NULL, &same, NULL));
    OK(hersh_replay_free(replay));
}

int main(void) {
    char aside[160];
    snprintf(values_file, sizeof values_file, "/tmp/hersh-c-%d.values", (int)getpid());
    snprintf(journal_file, sizeof journal_file, "/tmp/hersh-c-%d.journal", (int)getpid());
    snprintf(aside, sizeof aside, "%s.1", journal_file);
    session("{\"messages\":2}");
    session("{\"messages\":4}");
    the_journal_is_replayed();
    a_program_is_replayed();
    files_that_cannot_be_read_are_left_alone();
    remove(values_file);
    remove(journal_file);
    remove(aside);
    return finished();
}
