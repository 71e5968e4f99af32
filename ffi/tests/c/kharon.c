/* Tickets: added, run, settled, found again; in virtual time wherever that can serve. */
#include "check.h"

#include <time.h>
#include <pthread.h>
#include <unistd.h>

typedef struct {
    HershKharon *kharon;
    int greeted;
    int freed;
    uint64_t token;
    pthread_mutex_t lock;
    pthread_cond_t ran;
} Seen;

static void frees(void *user_data) { ((Seen *)user_data)->freed++; }

static void *on_another_thread(void *claim) {
    REFUSED(HERSH_STATUS_WRONG_THREAD, "thread", hersh_claim_done(claim, NULL));
    CHECK(hersh_claim_id(claim) == NULL);
    return NULL;
}

static int32_t greets(HershClaim *claim, void *user_data) {
    Seen *seen = user_data;
    const uint8_t *payload = NULL;
    size_t length = 0;
    pthread_t thread;
    OK(hersh_claim_payload(claim, &payload, &length));
    CHECK(length == 4 && memcmp(payload, "a\0\xff" "b", 4) == 0);
    CHECK(strcmp(hersh_claim_type(claim), "greet") == 0);
    CHECK(hersh_claim_attempts(claim) >= 1 && hersh_claim_token(claim) != HERSH_NO_CLAIM);
    CHECK(hersh_claim_remaining_ms(claim) > 0 && !hersh_claim_is_stopping(claim));
    REFUSED(HERSH_STATUS_INSIDE, "inside", hersh_kharon_stop(seen->kharon, 1000, NULL));
    REFUSED(HERSH_STATUS_INSIDE, "inside", hersh_kharon_advance_ms(seen->kharon, 1, NULL));
    CHECK(pthread_create(&thread, NULL, on_another_thread, claim) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    seen->greeted++;
    if (strcmp(hersh_claim_id(claim), "twice") == 0 && hersh_claim_attempts(claim) == 1) {
        return hersh_claim_error(claim, "nobody there");
    }
    return HERSH_OUTCOME_OK;
}

static int32_t leaves(HershClaim *claim, void *user_data) {
    Seen *seen = user_data;
    seen->token = hersh_claim_token(claim);
    OK(hersh_claim_extend(claim));
    OK(hersh_claim_leave(claim));
    return HERSH_OUTCOME_OK;
}

static int32_t acks(HershClaim *claim, void *user_data) {
    (void)user_data;
    OK(hersh_claim_ack(claim, NULL));
    REFUSED(HERSH_STATUS_NOT_FOUND, "no such ticket", hersh_claim_done(claim, NULL));
    return HERSH_OUTCOME_OK;
}

static void add(HershKharon *kharon, const char *id, const char *kind, uint64_t delay_ms) {
    HershNewTicket *ticket = NULL;
    OK(hersh_new_ticket_new(id, kind, &ticket));
    OK(hersh_new_ticket_set_payload(ticket, (const uint8_t *)"a\0\xff" "b", 4));
    OK(hersh_new_ticket_set_delay_ms(ticket, delay_ms));
    OK(hersh_kharon_add(kharon, ticket));
    REFUSED(HERSH_STATUS_EXISTS, id, hersh_kharon_add(kharon, ticket));
    OK(hersh_new_ticket_free(ticket));
}

static HershTicketStatus status_of(HershKharon *kharon, const char *id) {
    HershTicket *ticket = NULL;
    OK(hersh_kharon_get(kharon, id, &ticket));
    HershTicketStatus status = hersh_ticket_status(ticket);
    OK(hersh_ticket_free(ticket));
    return status;
}

static HershKharon *virtual_kharon(const char *path) {
    HershKharonConfig *config = NULL;
    HershKharon *kharon = NULL;
    OK(hersh_kharon_config_new(&config));
    OK(hersh_kharon_config_set_virtual_time(config, true));
    OK(hersh_kharon_config_set_backoff(config, 2.0, 10000, 0.0));
    OK(hersh_kharon_config_set_sqlite(config, path, HERSH_DURABILITY_NORMAL, 1000));
    OK(hersh_kharon_new(config, &kharon));
    OK(hersh_kharon_config_free(config));
    return kharon;
}

static void start(HershKharon *kharon, Seen *seen) {
    HershRouter *router = NULL;
    OK(hersh_router_new(&router));
    OK(hersh_router_handle(router, "greet", greets, seen, frees));
    OK(hersh_router_handle(router, "leave", leaves, seen, NULL));
    OK(hersh_router_not_found(router, acks, NULL, NULL));
    OK(hersh_router_limit(router, "greet", 1, 100, 1000));
    OK(hersh_kharon_start(kharon, router));
    REFUSED(HERSH_STATUS_STATE, "running already", hersh_kharon_start(kharon, router));
    OK(hersh_router_free(router));
}

static void settled_by_their_handlers(const char *path) {
    Seen seen = {0};
    size_t ran = 0;
    HershTicket *ticket = NULL;
    HershKharon *kharon = seen.kharon = virtual_kharon(path);
    add(kharon, "soon", "greet", 0);
    add(kharon, "later", "greet", 60000);
    add(kharon, "twice", "greet", 120000);
    add(kharon, "gone", "unknown", 0);
    REFUSED(HERSH_STATUS_STATE, "virtual", hersh_kharon_advance_ms(kharon, 1, NULL));
    start(kharon, &seen);
    OK(hersh_kharon_advance_ms(kharon, 0, &ran));
    CHECK(ran == 2 && seen.greeted == 1);
    REFUSED(HERSH_STATUS_NOT_FOUND, "gone", hersh_kharon_get(kharon, "gone", &ticket));
    OK(hersh_kharon_advance_ms(kharon, 60000, &ran));
    CHECK(ran == 1 && status_of(kharon, "later") == HERSH_TICKET_STATUS_DONE);
    OK(hersh_kharon_advance_ms(kharon, 61000, &ran));
    OK(hersh_kharon_get(kharon, "twice", &ticket));
    CHECK(hersh_ticket_status(ticket) == HERSH_TICKET_STATUS_PENDING);
    CHECK(strcmp(hersh_ticket_error_reason(ticket), "nobody there") == 0);
    CHECK(hersh_ticket_attempts(ticket) == 1);
    OK(hersh_ticket_free(ticket));
    OK(hersh_kharon_advance_ms(kharon, 61000, &ran));
    CHECK(ran == 1 && status_of(kharon, "twice") == HERSH_TICKET_STATUS_DONE);
    CHECK(seen.greeted == 4 && seen.freed == 0);
    OK(hersh_kharon_stop(kharon, 1000, NULL));
    CHECK(seen.freed == 1 && hersh_kharon_is_stopping(kharon));
    OK(hersh_kharon_free(kharon));
}

static void settled_by_others(void) {
    Seen seen = {0};
    HershOptions *options = NULL;
    HershTicket *ticket = NULL;
    char *text = NULL;
    const uint8_t *payload = NULL;
    size_t length = 0, revived = 0;
    HershKharon *kharon = seen.kharon = virtual_kharon(NULL);
    start(kharon, &seen);
    add(kharon, "left", "leave", 0);
    OK(hersh_kharon_advance_ms(kharon, 0, NULL));
    CHECK(status_of(kharon, "left") == HERSH_TICKET_STATUS_PENDING);
    OK(hersh_options_new(&options));
    OK(hersh_options_set_error_reason(options, "no good"));
    OK(hersh_options_set_payload(options, (const uint8_t *)"result", 6));
    OK(hersh_options_set_delay_ms(options, 5000));
    OK(hersh_options_set_nice(options, 3));
    REFUSED(HERSH_STATUS_STALE_CLAIM, "void",
            hersh_kharon_fail(kharon, "left", seen.token + 1, options));
    OK(hersh_kharon_fail(kharon, "left", seen.token, options));
    REFUSED(HERSH_STATUS_SETTLED, "failed", hersh_kharon_done(kharon, "left", HERSH_NO_CLAIM, NULL));
    OK(hersh_kharon_get(kharon, "left", &ticket));
    CHECK(strcmp(hersh_ticket_id(ticket), "left") == 0);
    OK(hersh_ticket_payload(ticket, &payload, &length));
    CHECK(length == 6 && memcmp(payload, "result", 6) == 0);
    OK(hersh_ticket_json(ticket, &text));
    CHECK(strstr(text, "\"payload\":\"result\"") && strstr(text, "\"status\":\"failed\""));
    OK(hersh_string_free(text));
    OK(hersh_ticket_free(ticket));
    OK(hersh_kharon_list_json(kharon, HERSH_TICKET_STATUS_FAILED, "leave", NULL, NULL, 10, NULL, &text));
    CHECK(strstr(text, "\"left\"") != NULL && strstr(text, "\"next\":null") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_kharon_revive_all(kharon, "leave", NULL, NULL, 10, &revived));
    CHECK(revived == 1);
    REFUSED(HERSH_STATUS_STATE, "not dead",
            hersh_kharon_revive(kharon, "left", HERSH_NO_CLAIM, NULL));
    OK(hersh_kharon_retry(kharon, "left", HERSH_NO_CLAIM, options));
    OK(hersh_kharon_cancel(kharon, "left", HERSH_NO_CLAIM, NULL));
    REFUSED(HERSH_STATUS_NOT_FOUND, "", hersh_kharon_delete(kharon, "left", HERSH_NO_CLAIM));
    OK(hersh_options_free(options));
    OK(hersh_kharon_free(kharon));
    CHECK(seen.freed == 1);
}

static void many_and_grouped(void) {
    Seen seen = {0};
    HershNewTicket *tickets[3] = {0};
    HershNewTicket *finalizer = NULL;
    HershStatus statuses[3];
    HershAdded added;
    char *text = NULL;
    HershKharon *kharon = seen.kharon = virtual_kharon(NULL);
    OK(hersh_new_ticket_new("last", "done", &finalizer));
    OK(hersh_kharon_open_group(kharon, "batch", (const HershNewTicket *const *)&finalizer, 1,
                               HERSH_FOREVER));
    for (int i = 0; i < 3; i++) {
        OK(hersh_new_ticket_new(i == 2 ? "last" : NULL, "work", &tickets[i]));
        OK(hersh_new_ticket_set_group(tickets[i], "batch"));
        OK(hersh_new_ticket_set_nice(tickets[i], i));
    }
    REFUSED(HERSH_STATUS_EXISTS, "last",
            hersh_kharon_add_all(kharon, (const HershNewTicket *const *)tickets, 3,
                                 HERSH_IF_EXISTS_REFUSE, statuses));
    CHECK(statuses[0] == HERSH_STATUS_OK && statuses[1] == HERSH_STATUS_OK);
    CHECK(statuses[2] == HERSH_STATUS_EXISTS);
    OK(hersh_kharon_add_if_absent(kharon, tickets[2], &added, &text));
    CHECK(added == HERSH_ADDED_KEPT && strcmp(text, "last") == 0);
    OK(hersh_string_free(text));
    OK(hersh_kharon_close_group(kharon, "batch"));
    start(kharon, &seen);
    OK(hersh_kharon_advance_ms(kharon, 0, NULL));
    OK(hersh_kharon_group_json(kharon, "batch", &text));
    CHECK(strstr(text, "\"done\":2") != NULL && strstr(text, "\"last\"") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_kharon_stats_json(kharon, &text));
    CHECK(strstr(text, "\"pending\":0") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_kharon_prometheus(kharon, &text));
    CHECK(strstr(text, "kharon_events_total") != NULL);
    OK(hersh_string_free(text));
    OK(hersh_kharon_delete_group(kharon, "batch"));
    for (int i = 0; i < 3; i++) OK(hersh_new_ticket_free(tickets[i]));
    OK(hersh_new_ticket_free(finalizer));
    OK(hersh_kharon_free(kharon));
}

static int32_t signals(HershClaim *claim, void *user_data) {
    Seen *seen = user_data;
    pthread_mutex_lock(&seen->lock);
    if (++seen->greeted == 3) OK(hersh_kharon_stop(seen->kharon, 0, NULL));
    pthread_cond_broadcast(&seen->ran);
    pthread_mutex_unlock(&seen->lock);
    return hersh_claim_done(claim, NULL);
}

/* Real threads, repetition, and an end from inside. */
static void run_by_workers(void) {
    Seen seen = {0};
    HershRouter *router = NULL;
    HershNewTicket *ticket = NULL;
    pthread_mutex_init(&seen.lock, NULL);
    pthread_cond_init(&seen.ran, NULL);
    OK(hersh_kharon_new(NULL, &seen.kharon));
    OK(hersh_router_new(&router));
    OK(hersh_router_handle(router, "tick", signals, &seen, frees));
    for (int i = 0; i < 3; i++) {
        OK(hersh_new_ticket_new(NULL, "tick", &ticket));
        REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "cron",
                hersh_new_ticket_set_repeat_cron(ticket, "never", HERSH_CATCH_UP_ONCE, 0));
        OK(hersh_new_ticket_set_repeat_ms(ticket, 1000, HERSH_CATCH_UP_ALL, 3));
        OK(hersh_new_ticket_set_run_at_ms(ticket, 0));
        OK(hersh_kharon_add(seen.kharon, ticket));
        OK(hersh_new_ticket_free(ticket));
    }
    OK(hersh_kharon_run(seen.kharon, router));
    OK(hersh_router_free(router));
    /* Waits for the handler that has just stopped it, and for those that had begun by then. */
    OK(hersh_kharon_free(seen.kharon));
    CHECK(seen.greeted >= 3);
    CHECK(seen.freed == 1);
}

int main(void) {
    char path[128];
    snprintf(path, sizeof path, "/tmp/hersh-c-%d.tickets", (int)getpid());
    settled_by_their_handlers(NULL);
    settled_by_their_handlers(path);
    settled_by_others();
    many_and_grouped();
    run_by_workers();
    /* A worker that was not waited for has told of its end, and is about to put its things away. */
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    remove(path);
    return finished();
}
