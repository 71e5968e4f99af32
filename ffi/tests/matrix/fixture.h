/* What the matrix of misuse works with: one live handle of each type, made anew for each case. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "check.h"

#include <pthread.h>
#include <unistd.h>

typedef struct {
    HershConfig *config;
    HershToken *token;
    HershFlow *flow;
    HershWatcher *watcher;
    HershReport *report;
    HershSimulation *simulation;
    HershWatcher *simulated;
    HershReplay *replay;
    HershKharonConfig *kharon_config;
    HershKharon *kharon;
    HershRouter *router;
    HershNewTicket *new_ticket;
    HershTicket *ticket;
    HershOptions *options;
    char *string;
    /* Lent to callbacks, where a case needs one. */
    HershContext *context;
    HershPoll *poll;
    HershClaim *claim;
    bool stops;
} Fixture;

/* A case: its name, what it does, in which callback, and how: there and then, on a thread of its own, or
   with the handles of the callback when that has returned. */
typedef struct {
    const char *name;
    void (*run)(Fixture *f);
    enum { OUTSIDE, IN_CONTEXT, IN_POLL, IN_CLAIM } where;
    enum { HERE, ON_ANOTHER_THREAD, AFTERWARDS } how;
} Case;

static const Case *current;
static Fixture *fixture;
static char journal[128];
static int frees_of_data;

static void count_free(void *data) { (void)data, frees_of_data++; }

static int32_t plain_managed(const char *message, HershContext *context, void *data) {
    (void)message;
    OK(hersh_context_set_value_json(context, "k", "1"));
    if (data && ((Fixture *)data)->stops) return hersh_context_stop(context, "enough");
    return HERSH_OUTCOME_OK;
}

static int32_t plain_poll(HershPoll *poll, void *data) {
    (void)data;
    return hersh_poll_set_json(poll, "1");
}

static void plain_cleanup(HershContext *context, void *data) { (void)context, (void)data; }
static void *plain_memo(void *data) { return data ? data : journal; }
static int32_t plain_handler(HershClaim *claim, void *data) {
    (void)claim, (void)data;
    return HERSH_OUTCOME_OK;
}

static void *run_there(void *data) {
    current->run(data);
    return NULL;
}

static void run_current(void) {
    pthread_t thread;
    if (current->how != ON_ANOTHER_THREAD) {
        current->run(fixture);
        return;
    }
    CHECK(pthread_create(&thread, NULL, run_there, fixture) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void run_inside(void) {
    if (current->how != AFTERWARDS) run_current();
}

static int32_t in_poll(HershPoll *poll, void *data) {
    (void)data;
    fixture->poll = poll;
    run_inside();
    return HERSH_OUTCOME_ERROR;
}

static int32_t in_context(const char *message, HershContext *context, void *data) {
    (void)data;
    fixture->context = context;
    OK(hersh_context_set_value_json(context, "k", "1"));
    if (message && current->where == IN_CONTEXT) run_inside();
    if (message && current->where == IN_POLL)
        CHECK(hersh_context_update_value_json(context, "k", in_poll, NULL) == HERSH_STATUS_CALLBACK);
    return HERSH_OUTCOME_OK;
}

static int32_t in_claim(HershClaim *claim, void *data) {
    (void)data;
    bool again = fixture->claim != NULL;
    fixture->claim = claim;
    if (current->where == IN_CLAIM && !again) run_inside();
    return HERSH_OUTCOME_OK;
}

static void make_watchers(Fixture *f) {
    OK(hersh_config_new(&f->config));
    OK(hersh_config_set_env(f->config, "k", "v"));
    OK(hersh_token_new(HERSH_FOREVER, &f->token));
    OK(hersh_flow_new(4, &f->flow));
    OK(hersh_watcher_new(f->config, &f->watcher));
    OK(hersh_watcher_stop(f->watcher, &f->report));
    OK(hersh_watcher_manage(f->watcher, "x", plain_managed, f, NULL));
    OK(hersh_watcher_name(f->watcher, &f->string));
    OK(hersh_simulation_new(1, &f->simulation));
    OK(hersh_simulation_watcher_new(f->simulation, f->config, &f->simulated));
    OK(hersh_watcher_manage(f->simulated, "x", in_context, f, NULL));
    OK(hersh_replay_new(journal, &f->replay));
}

static void make_tickets(Fixture *f) {
    OK(hersh_kharon_config_new(&f->kharon_config));
    OK(hersh_kharon_config_set_virtual_time(f->kharon_config, true));
    OK(hersh_kharon_new(f->kharon_config, &f->kharon));
    OK(hersh_router_new(&f->router));
    OK(hersh_router_not_found(f->router, in_claim, f, NULL));
    OK(hersh_new_ticket_new("one", "mail", &f->new_ticket));
    OK(hersh_new_ticket_set_payload(f->new_ticket, (const uint8_t *)"m", 1));
    OK(hersh_kharon_add(f->kharon, f->new_ticket));
    OK(hersh_new_ticket_free(f->new_ticket));
    OK(hersh_new_ticket_new("two", "mail", &f->new_ticket));
    OK(hersh_kharon_get(f->kharon, "one", &f->ticket));
    OK(hersh_kharon_open_group(f->kharon, "g", NULL, 0, HERSH_FOREVER));
    OK(hersh_options_new(&f->options));
}

/* Frees what a case may have freed already: then the answer is a status, which does not matter. */
static void unmake(Fixture *f) {
    hersh_config_free(f->config);
    hersh_token_free(f->token);
    hersh_watcher_free(f->watcher);
    hersh_flow_free(f->flow);
    hersh_report_free(f->report);
    hersh_watcher_free(f->simulated);
    hersh_simulation_free(f->simulation);
    hersh_replay_free(f->replay);
    hersh_kharon_config_free(f->kharon_config);
    hersh_kharon_free(f->kharon);
    hersh_router_free(f->router);
    hersh_new_ticket_free(f->new_ticket);
    hersh_ticket_free(f->ticket);
    hersh_options_free(f->options);
    hersh_string_free(f->string);
}

static void run_case(const Case *one) {
    Fixture f = {0};
    current = one;
    fixture = &f;
    make_watchers(&f);
    make_tickets(&f);
    switch (one->where) {
    case OUTSIDE:
        run_current();
        break;
    case IN_CONTEXT:
    case IN_POLL:
        OK(hersh_watcher_start(f.simulated));
        OK(hersh_watcher_send(f.simulated, "m"));
        OK(hersh_simulation_run_until_idle(f.simulation));
        break;
    case IN_CLAIM:
        OK(hersh_kharon_start(f.kharon, f.router));
        OK(hersh_kharon_advance_ms(f.kharon, 0, NULL));
        break;
    }
    if (one->how == AFTERWARDS) run_current();
    unmake(&f);
    if (hersh_alive() != 0) fprintf(stderr, "%s leaks\n", one->name);
    CHECK(hersh_alive() == 0);
}

/* A journal for the replays. */
static void record(void) {
    Fixture f = {0};
    f.stops = true;
    snprintf(journal, sizeof journal, "/tmp/hersh-matrix-%d.journal", (int)getpid());
    OK(hersh_config_new(&f.config));
    OK(hersh_config_set_journal(f.config, journal, HERSH_JOURNAL_MAX_BYTES, HERSH_JOURNAL_KEEP));
    OK(hersh_watcher_new(f.config, &f.watcher));
    OK(hersh_watcher_manage(f.watcher, "x", plain_managed, &f, NULL));
    OK(hersh_watcher_run(f.watcher, NULL));
    OK(hersh_watcher_free(f.watcher));
    OK(hersh_config_free(f.config));
}

/* The numbers of the cases: as they come, or in the order that a seed stands for. */
static void arrange(size_t *order, size_t count, const char *seed) {
    uint64_t state = seed ? strtoull(seed, NULL, 10) : 0;
    for (size_t at = 0; at < count; at++) {
        size_t with = at;
        if (seed) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            with = (size_t)(state >> 33) % (at + 1);
        }
        order[at] = order[with];
        order[with] = at;
    }
}

/* Words that no case has, so that those of a case can be told from them. */
static void forget_words(void) { hersh_string_free((char *)fixture); }

static const char *words(void) {
    const char *last = hersh_last_error_message();
    return last && !strstr(last, "string was not handed over by hersh") ? last : "";
}

/* The answer and its words are as they should be, or the case is named. */
#define EXPECT(right, text)                                                                       \
    do {                                                                                          \
        if (!(right) || !strstr(words(), (text))) {                                               \
            fprintf(stderr, "%s: answer %s, words \"%s\" want \"%s\"\n", current->name,           \
                    (right) ? "right" : "WRONG", words(), (text));                                \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

#endif
