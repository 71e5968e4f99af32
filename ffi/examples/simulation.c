/*
 * A test of one's own program that does not wait: an alarm that must ring when it was too warm for
 * three hours, tested over a day of virtual time in a moment.
 *
 *     cc simulation.c $(pkg-config --cflags --libs hersh) -o simulation && ./simulation
 */
#include <assert.h>
#include <hersh.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOUR_MS = 3600 * 1000 };

/* What is tested: the program as it would also run for real. */
static int32_t measure(HershPoll *poll, void *user_data) {
    (void)user_data; /* for real: asks the sensor */
    return hersh_poll_set_json(poll, "21");
}

static int32_t alarm_when_warm(const char *message, HershContext *context, void *user_data) {
    int *rung = user_data;
    HershWatched degrees;
    HershTick hour;
    (void)message;
    hersh_context_watch_call(context, "degrees", HOUR_MS, measure, NULL, NULL, &degrees);
    hersh_context_watch_tick(context, "hour", HOUR_MS, &hour);
    if (!hour.triggered || !degrees.updated) return HERSH_OUTCOME_OK;

    char *before = NULL, after[16];
    int warm = 0;
    if (hersh_context_get_value_json(context, "warm hours", &before) == HERSH_STATUS_OK) {
        warm = atoi(before);
        hersh_string_free(before);
    }
    warm = atof(degrees.json) > 30 ? warm + 1 : 0;
    snprintf(after, sizeof after, "%d", warm);
    hersh_context_set_value_json(context, "warm hours", after);
    if (warm == 3) ++*rung;
    return HERSH_OUTCOME_OK;
}

int main(void) {
    HershSimulation *world = NULL;
    HershWatcher *watcher = NULL;
    int rung = 0;
    hersh_simulation_new(7, &world); /* the seed decides what chance decides */
    hersh_simulation_watcher_new(world, NULL, &watcher);
    hersh_watcher_manage(watcher, "alarm", alarm_when_warm, &rung, NULL);

    /* What the sensor will say, hour by hour; it fails once. Then it says 21 again. */
    hersh_simulation_inject_poll_json(world, watcher, "degrees", "35");
    hersh_simulation_inject_poll_json(world, watcher, "degrees", "36");
    hersh_simulation_fail_polls(world, watcher, "degrees", 1, "no answer");
    hersh_simulation_inject_poll_json(world, watcher, "degrees", "37");

    hersh_watcher_start(watcher);
    hersh_simulation_advance_ms(world, 2 * HOUR_MS);
    assert(rung == 0);
    hersh_simulation_advance_ms(world, 22 * HOUR_MS); /* the rest of the day */
    assert(rung == 1);
    printf("the alarm rang %d time in a day that took a moment\n", rung);

    hersh_watcher_free(watcher);
    hersh_simulation_free(world);
    return rung == 1 ? 0 : 1;
}
