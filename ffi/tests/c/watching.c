/* Polls, flows, timers, values and memos. */
#include "check.h"

#include <time.h>

typedef struct {
    HershFlow *flow;
    int polls;
    int computed;
    int memo_freed;
    char events[64];
    char counted[16];
    bool ticked;
    bool poll_failed;
    int fetched;
    char even[64];
    bool may_stop;
} Seen;

static int32_t counts_to_three(HershPoll *poll, void *user_data) {
    Seen *seen = user_data;
    const char *previous = hersh_poll_previous_json(poll);
    char next[16];
    seen->polls++;
    if (seen->polls == 2) {
        OK(hersh_poll_set_error(poll, "no network"));
        return HERSH_OUTCOME_ERROR;
    }
    CHECK((previous == NULL) == (seen->polls == 1));
    snprintf(next, sizeof next, "%d", previous ? atoi(previous) + 1 : 1);
    REFUSED(HERSH_STATUS_INVALID_JSON, "not JSON", hersh_poll_set_json(poll, "{"));
    OK(hersh_poll_set_json(poll, atoi(next) > 3 ? "3" : next));
    return HERSH_OUTCOME_OK;
}

/* The first step of a poll in two: it counts its calls. */
static int32_t fetches(HershPoll *poll, void *user_data) {
    Seen *seen = user_data;
    char fetched[16];
    CHECK(hersh_poll_previous_json(poll) == NULL && hersh_poll_fetched_json(poll) == NULL);
    snprintf(fetched, sizeof fetched, "%d", ++seen->fetched);
    return hersh_poll_set_json(poll, fetched);
}

/* The second: odd numbers are no news. */
static int32_t takes_even(HershPoll *poll, void *user_data) {
    const char *fetched = hersh_poll_fetched_json(poll);
    (void)user_data;
    CHECK(fetched != NULL);
    return atoi(fetched) % 2 ? hersh_poll_set_same(poll) : hersh_poll_set_json(poll, fetched);
}

static int32_t adds_one(HershPoll *poll, void *user_data) {
    const char *previous = hersh_poll_previous_json(poll);
    (void)user_data;
    return hersh_poll_set_json(poll, previous ? "2" : "1");
}

static int32_t refuses(HershPoll *poll, void *user_data) {
    (void)user_data;
    hersh_poll_set_error(poll, "not today");
    return HERSH_OUTCOME_ERROR;
}

static void *computes(void *user_data) {
    ((Seen *)user_data)->computed++;
    return user_data;
}

static void *fails(void *user_data) {
    (void)user_data;
    return NULL;
}

static void frees(void *value) { ((Seen *)value)->memo_freed++; }

static void keeps(HershContext *context, Seen *seen) {
    char *json = NULL;
    void *memo = NULL;
    if (hersh_context_trigger(context) == HERSH_TRIGGER_INIT) {
        REFUSED(HERSH_STATUS_NOT_FOUND, "runs", hersh_context_get_value_json(context, "runs", &json));
    }
    OK(hersh_context_set_value_json(context, "fixed", "{\"b\": [1, null], \"a\": \"\xc3\xa9\"}"));
    OK(hersh_context_get_value_json(context, "fixed", &json));
    CHECK(strcmp(json, "{\"a\":\"\xc3\xa9\",\"b\":[1,null]}") == 0);
    OK(hersh_string_free(json));
    OK(hersh_context_update_value_json(context, "runs", adds_one, NULL));
    REFUSED(HERSH_STATUS_CALLBACK, "not today",
            hersh_context_update_value_json(context, "runs", refuses, NULL));
    OK(hersh_context_memo(context, "memo", computes, seen, frees, &memo));
    CHECK(memo == seen);
    REFUSED(HERSH_STATUS_CALLBACK, "answered NULL",
            hersh_context_memo(context, "none", fails, seen, NULL, &memo));
}

static int32_t watches(const char *message, HershContext *context, void *user_data) {
    Seen *seen = user_data;
    HershWatched count, event, even;
    HershTick tick;
    if (message) seen->may_stop = true;
    OK(hersh_context_watch_call(context, "count", 1, counts_to_three, seen, NULL, &count));
    OK(hersh_context_watch_flow(context, "events", seen->flow, &event));
    OK(hersh_context_watch_tick(context, "tick", 1, &tick));
    OK(hersh_context_watch_call_update(context, "even", 1, fetches, takes_even, seen, NULL, &even));
    if (even.triggered && strlen(seen->even) < 3) strcat(seen->even, even.json);
    if (even.triggered) CHECK(strstr(hersh_context_trigger_json(context), "\"even\"") != NULL);
    CHECK(hersh_context_remaining_ms(context) <= 5000);
    REFUSED(HERSH_STATUS_MISMATCH, "watch_tick",
            hersh_context_watch_flow(context, "tick", seen->flow, NULL));
    REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "longer than zero",
            hersh_context_watch_tick(context, "never", 0, NULL));
    CHECK(count.updated == (count.json != NULL));
    if (count.error) {
        CHECK(strcmp(count.error, "no network") == 0);
        seen->poll_failed = true;
    }
    if (count.triggered) strcat(seen->counted, count.json);
    if (event.triggered) strcat(seen->events, event.json);
    if (tick.triggered) {
        CHECK(tick.count >= 1 && tick.unix_ms > 0);
        seen->ticked = true;
    }
    keeps(context, seen);
    if (seen->may_stop && strcmp(seen->counted, "123") == 0 && strcmp(seen->events, "1\"two\"3") == 0 && seen->ticked &&
        strncmp(seen->even, "246", 3) == 0) {
        CHECK(hersh_context_unwatch(context, "tick"));
        CHECK(!hersh_context_unwatch(context, "tick"));
        CHECK(hersh_context_clear_memo(context, "memo"));
        CHECK(!hersh_context_clear_memo(context, "memo"));
        CHECK(seen->memo_freed == 0);
        return hersh_context_stop(context, "all was seen");
    }
    return HERSH_OUTCOME_OK;
}

/* Whether something was logged about a variable. */
static bool is_logged(HershWatcher *watcher, const char *words) {
    char *text = NULL;
    OK(hersh_watcher_logs_json(watcher, "watch_error", 10, &text));
    bool found = strstr(text, words) != NULL;
    OK(hersh_string_free(text));
    return found;
}

int main(void) {
    Seen seen = {0};
    char *text = NULL;
    HershWatcher *watcher = watcher_of(watches, &seen);
    CHECK(hersh_flow_new(0, &seen.flow) == HERSH_STATUS_INVALID_ARGUMENT);
    OK(hersh_flow_new(1, &seen.flow));
    OK(hersh_flow_push_json(seen.flow, "1", 0));
    REFUSED(HERSH_STATUS_QUEUE_FULL, "full", hersh_flow_push_json(seen.flow, "2", 0));
    OK(hersh_watcher_start(watcher));
    OK(hersh_flow_push_json(seen.flow, "\"two\"", HERSH_FOREVER));
    OK(hersh_flow_push_json(seen.flow, "3", LONG_MS));
    OK(hersh_flow_close(seen.flow));
    REFUSED(HERSH_STATUS_CLOSED, "closed", hersh_flow_push_json(seen.flow, "4", 0));
    /* A watcher that stops does not look any more whether a flow has ended. */
    for (int waited = 0; !is_logged(watcher, "events: "); waited++) {
        const struct timespec millisecond = {.tv_nsec = 1000000};
        CHECK(waited < LONG_MS);
        nanosleep(&millisecond, NULL);
    }
    OK(hersh_watcher_send(watcher, "stop when all was seen"));
    OK(hersh_watcher_wait(watcher, LONG_MS, NULL));
    CHECK(hersh_watcher_state(watcher) == HERSH_STATE_STOPPED);
    CHECK(seen.computed == 1 && seen.polls >= 4);
    OK(hersh_watcher_watched_json(watcher, &text));
    CHECK(strstr(text, "\"watch_flow\"") != NULL && strstr(text, "\"watch_call\"") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_watcher_memos_json(watcher, &text));
    CHECK(strcmp(text, "[]") == 0);
    OK(hersh_string_free(text));
    OK(hersh_watcher_signals_json(watcher, &text));
    CHECK(strstr(text, "\"class\":\"var\"") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_watcher_value_json(watcher, "runs", &text));
    CHECK(strcmp(text, "2") == 0);
    OK(hersh_string_free(text));
    CHECK(is_logged(watcher, "count: no network"));
    OK(hersh_flow_free(seen.flow));
    OK(hersh_watcher_free(watcher));
    CHECK(seen.memo_freed == 1);
    return finished();
}
