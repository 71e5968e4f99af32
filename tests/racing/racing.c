/*
 * A race on purpose, between a callback and the thread that sent its watcher a message: what looks for races
 * in C programs has to report it (`tests/races`). The flag lets the second come after the first, and orders
 * nothing.
 */
#include <hersh.h>
#include <sched.h>
#include <stdlib.h>

static int count;
static int flag;

static int32_t add(const char *message, HershContext *context, void *user_data) {
    (void)context;
    (void)user_data;
    if (message != NULL) {
        count++;
        __atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
    }
    return HERSH_OUTCOME_OK;
}

static void check(HershStatus status) {
    if (status != HERSH_STATUS_OK) abort();
}

int main(void) {
    HershWatcher *watcher = NULL;
    check(hersh_watcher_new(NULL, &watcher));
    check(hersh_watcher_manage(watcher, "add", add, NULL, NULL));
    check(hersh_watcher_start(watcher));
    check(hersh_watcher_send(watcher, "go"));
    while (__atomic_load_n(&flag, __ATOMIC_RELAXED) == 0) sched_yield();
    count++;
    check(hersh_watcher_stop(watcher, NULL));
    check(hersh_watcher_free(watcher));
    return 0;
}
