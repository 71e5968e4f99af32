/* Watchers under a virtual clock: no test here waits. */
#include "check.h"

#include <pthread.h>

typedef struct {
    HershSimulation *simulation;
    HershFlow *flow;
    int polls;
    char prices[128];
    char events[64];
} Seen;

static int32_t asks(HershPoll *poll, void *user_data) {
    ((Seen *)user_data)->polls++;
    return hersh_poll_set_json(poll, "100");
}

static int32_t watches(const char *message, HershContext *context, void *user_data) {
    Seen *seen = user_data;
    HershWatched price, event;
    (void)message;
    OK(hersh_context_watch_call(context, "price", 1000, asks, seen, NULL, &price));
    OK(hersh_context_watch_flow(context, "events", seen->flow, &event));
    if (price.triggered) strcat(strcat(seen->prices, price.json), " ");
    if (price.error) strcat(strcat(seen->prices, price.error), " ");
    if (event.triggered) strcat(seen->events, event.json);
    REFUSED(HERSH_STATUS_INSIDE, "inside", hersh_simulation_run_until_idle(seen->simulation));
    return HERSH_OUTCOME_OK;
}

/* What happened in one run; freed by the caller. */
static char *run(uint64_t seed, uint64_t *digest) {
    Seen seen = {0};
    char *trace = NULL;
    HershWatcher *watcher = NULL;
    OK(hersh_simulation_new(seed, &seen.simulation));
    OK(hersh_simulation_watcher_new(seen.simulation, NULL, &watcher));
    OK(hersh_flow_new(4, &seen.flow));
    OK(hersh_watcher_manage(watcher, "watch", watches, &seen, NULL));
    OK(hersh_simulation_fail_polls(seen.simulation, watcher, "price", 1, "no network"));
    OK(hersh_simulation_inject_poll_json(seen.simulation, watcher, "price", "99.5"));
    OK(hersh_watcher_start(watcher));
    OK(hersh_simulation_run_until_idle(seen.simulation));
    CHECK(seen.polls == 0);
    OK(hersh_flow_push_json(seen.flow, "1", 0));
    OK(hersh_flow_push_json(seen.flow, "2", 0));
    OK(hersh_simulation_advance_ms(seen.simulation, 2000));
    CHECK(strcmp(seen.events, "12") == 0);
    CHECK(seen.polls == 1 && strstr(seen.prices, "99.5 100 ") != NULL);
    OK(hersh_simulation_delay_polls_ms(seen.simulation, watcher, "price", 60000));
    uint64_t before = hersh_simulation_now_ms(seen.simulation);
    OK(hersh_simulation_advance_ms(seen.simulation, 3600 * 1000));
    CHECK(hersh_simulation_now_ms(seen.simulation) == before + 3600 * 1000);
    CHECK(hersh_watcher_now_ms(watcher) == before + 3600 * 1000);
    CHECK(seen.polls > 1 && seen.polls < 70);
    OK(hersh_watcher_stop(watcher, NULL));
    OK(hersh_simulation_trace(seen.simulation, &trace));
    *digest = hersh_simulation_trace_digest(seen.simulation);
    OK(hersh_simulation_free(seen.simulation));
    OK(hersh_watcher_free(watcher));
    OK(hersh_flow_free(seen.flow));
    return trace;
}

static void two_runs_with_one_seed_do_the_same(void) {
    uint64_t first_digest = 0, second_digest = 0;
    char *first = run(7, &first_digest), *second = run(7, &second_digest);
    CHECK(strstr(first, "NotRun -> InitRun: start") != NULL);
    CHECK(strcmp(first, second) == 0 && first_digest == second_digest && first_digest != 0);
    OK(hersh_string_free(first));
    OK(hersh_string_free(second));
}

typedef struct {
    HershSimulation *simulation;
    HershWatcher *watcher;
} World;

static void *on_another_thread(void *data) {
    World *world = data;
    REFUSED(HERSH_STATUS_WRONG_THREAD, "thread", hersh_simulation_advance_ms(world->simulation, 1));
    REFUSED(HERSH_STATUS_WRONG_THREAD, "thread", hersh_watcher_send(world->watcher, "x"));
    REFUSED(HERSH_STATUS_WRONG_THREAD, "thread", hersh_watcher_free(world->watcher));
    REFUSED(HERSH_STATUS_WRONG_THREAD, "thread", hersh_simulation_free(world->simulation));
    CHECK(hersh_simulation_now_ms(world->simulation) == 0);
    return NULL;
}

static void what_a_simulation_refuses(void) {
    World world = {NULL, NULL};
    HershWatcher *stranger = NULL;
    pthread_t thread;
    OK(hersh_simulation_new(1, &world.simulation));
    OK(hersh_simulation_watcher_new(world.simulation, NULL, &world.watcher));
    OK(hersh_watcher_new(NULL, &stranger));
    REFUSED(HERSH_STATUS_MISMATCH, "not of this simulation",
            hersh_simulation_inject_poll_json(world.simulation, stranger, "x", "1"));
    CHECK(pthread_create(&thread, NULL, on_another_thread, &world) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    OK(hersh_watcher_free(world.watcher));
    OK(hersh_watcher_free(stranger));
    OK(hersh_simulation_free(world.simulation));
}

int main(void) {
    two_runs_with_one_seed_do_the_same();
    what_a_simulation_refuses();
    return finished();
}
