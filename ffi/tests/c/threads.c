/* Handles in the hands of several threads at once. */
#include "check.h"

#include <pthread.h>
#include <sched.h>

/* What an execution shows to another thread: its context, which ends with it, and its number. */
typedef struct {
    pthread_mutex_t lock;
    HershContext *context;
    uint64_t number;
    uint64_t answered;
    bool done;
} Shown;

static void *asks(void *data) {
    Shown *shown = data;
    bool done = false;
    while (!done) {
        pthread_mutex_lock(&shown->lock);
        HershContext *context = shown->context;
        uint64_t number = shown->number;
        done = shown->done;
        pthread_mutex_unlock(&shown->lock);
        if (context == NULL) continue;
        /* The execution may end at any moment, but no other one takes its place. */
        uint64_t found = hersh_context_execution(context);
        CHECK(found == number || found == 0);
        HershStatus set = hersh_context_set_value_json(context, "asked", "true");
        CHECK(set == HERSH_STATUS_OK || set == HERSH_STATUS_INVALID_HANDLE);
        if (set == HERSH_STATUS_OK) CHECK(found == number);
        pthread_mutex_lock(&shown->lock);
        if (set == HERSH_STATUS_OK) shown->answered = number;
        pthread_mutex_unlock(&shown->lock);
    }
    return NULL;
}

static int32_t shows(const char *message, HershContext *context, void *user_data) {
    Shown *shown = user_data;
    uint64_t number = hersh_context_execution(context);
    bool wait = message && strcmp(message, "wait") == 0;
    pthread_mutex_lock(&shown->lock);
    shown->context = context;
    shown->number = number;
    /* Most executions end amid the questions; some wait to be asked. */
    while (wait && shown->answered != number) {
        pthread_mutex_unlock(&shown->lock);
        sched_yield();
        pthread_mutex_lock(&shown->lock);
    }
    pthread_mutex_unlock(&shown->lock);
    return HERSH_OUTCOME_OK;
}

static void a_context_ends_while_another_thread_uses_it(void) {
    enum { WATCHERS = 2 };
    Shown shown[WATCHERS] = {{.number = 0}};
    HershWatcher *watchers[WATCHERS];
    pthread_t askers[WATCHERS];
    for (int at = 0; at < WATCHERS; at++) {
        pthread_mutex_init(&shown[at].lock, NULL);
        watchers[at] = watcher_of(shows, &shown[at]);
        OK(hersh_watcher_start(watchers[at]));
        CHECK(pthread_create(&askers[at], NULL, asks, &shown[at]) == 0);
    }
    for (int sent = 0; sent < 2000; sent++)
        for (int at = 0; at < WATCHERS; at++)
            OK(hersh_watcher_send_timeout(watchers[at], sent % 20 ? "go on" : "wait", LONG_MS));
    for (int at = 0; at < WATCHERS; at++) {
        OK(hersh_watcher_stop_with(watchers[at], LONG_MS, true, NULL));
        pthread_mutex_lock(&shown[at].lock);
        CHECK(shown[at].number == 2001);
        shown[at].done = true;
        pthread_mutex_unlock(&shown[at].lock);
        CHECK(pthread_join(askers[at], NULL) == 0);
        REFUSED(HERSH_STATUS_INVALID_HANDLE, "its callback has returned",
                hersh_context_log(shown[at].context, "too late"));
        OK(hersh_watcher_free(watchers[at]));
        pthread_mutex_destroy(&shown[at].lock);
    }
}

static int32_t idle(const char *message, HershContext *context, void *user_data) {
    (void)message, (void)context, (void)user_data;
    return HERSH_OUTCOME_OK;
}

/* A handle that several threads use, until one of them frees it. */
typedef struct {
    HershWatcher *watcher;
    pthread_barrier_t begun;
} Shared;

static void *sends(void *data) {
    Shared *shared = data;
    HershStatus sent = hersh_watcher_send(shared->watcher, "early");
    pthread_barrier_wait(&shared->begun);
    /* Once it is freed it is no handle any more, and before that all is in order. */
    while (sent != HERSH_STATUS_INVALID_HANDLE) {
        CHECK(sent == HERSH_STATUS_OK || sent == HERSH_STATUS_QUEUE_FULL ||
              sent == HERSH_STATUS_NOT_RUNNING);
        sent = hersh_watcher_send(shared->watcher, "more");
    }
    CHECK(hersh_watcher_state(shared->watcher) == HERSH_STATE_INVALID);
    return NULL;
}

static void a_watcher_is_freed_while_others_send(void) {
    for (int round = 0; round < 20; round++) {
        Shared shared = {.watcher = watcher_of(idle, NULL)};
        pthread_t senders[2];
        OK(hersh_watcher_start(shared.watcher));
        CHECK(pthread_barrier_init(&shared.begun, NULL, 3) == 0);
        for (int at = 0; at < 2; at++)
            CHECK(pthread_create(&senders[at], NULL, sends, &shared) == 0);
        pthread_barrier_wait(&shared.begun);
        OK(hersh_watcher_free(shared.watcher));
        for (int at = 0; at < 2; at++) CHECK(pthread_join(senders[at], NULL) == 0);
        pthread_barrier_destroy(&shared.begun);
    }
}

static void *gives_back(void *data) {
    HershConfig *config = data;
    /* Of several threads that free it, one does. */
    HershStatus freed = hersh_config_free(config);
    CHECK(freed == HERSH_STATUS_OK || freed == HERSH_STATUS_INVALID_HANDLE);
    return freed == HERSH_STATUS_OK ? config : NULL;
}

static void of_those_who_free_a_handle_one_does(void) {
    for (int round = 0; round < 50; round++) {
        HershConfig *config = NULL;
        pthread_t threads[2];
        void *freed[2];
        OK(hersh_config_new(&config));
        for (int at = 0; at < 2; at++)
            CHECK(pthread_create(&threads[at], NULL, gives_back, config) == 0);
        for (int at = 0; at < 2; at++) CHECK(pthread_join(threads[at], &freed[at]) == 0);
        CHECK((freed[0] == NULL) != (freed[1] == NULL));
    }
}

int main(void) {
    a_context_ends_while_another_thread_uses_it();
    a_watcher_is_freed_while_others_send();
    of_those_who_free_a_handle_one_does();
    return finished();
}
