/* The WatcherAPI is served where it was asked for, and twice is an error. */
#include "check.h"

static int32_t idle(const char *message, HershContext *context, void *user_data) {
    (void)message, (void)context, (void)user_data;
    return HERSH_OUTCOME_OK;
}

int main(void) {
    char *address = NULL;
    HershWatcher *watcher = watcher_of(idle, NULL);
    REFUSED(HERSH_STATUS_OS, "address",
            hersh_watcher_start_api_server(watcher, "nowhere", NULL));
    OK(hersh_watcher_start_api_server(watcher, "127.0.0.1:0", &address));
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0 && atoi(address + 10) > 0);
    REFUSED(HERSH_STATUS_OS, address, hersh_watcher_start_api_server(watcher, "127.0.0.1:0", NULL));
    OK(hersh_string_free(address));
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_stop(watcher, NULL));
    OK(hersh_watcher_free(watcher));
    return finished();
}
