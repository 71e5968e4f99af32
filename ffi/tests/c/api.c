/* The WatcherAPI is served where it was asked for, and twice is an error. */
#include "check.h"

static int32_t idle(const char *message, HershContext *context, void *user_data) {
    (void)message, (void)context, (void)user_data;
    return HERSH_OUTCOME_OK;
}

static void served_from_the_start(void) {
    HershConfig *config = NULL;
    HershWatcher *watcher = NULL;
    char *address = NULL;
    OK(hersh_config_new(&config));
    REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "IP", hersh_config_set_api(config, "nowhere"));
    REFUSED(HERSH_STATUS_INVALID_ARGUMENT, "empty", hersh_config_set_api_token(config, ""));
    OK(hersh_config_set_api(config, "127.0.0.1:0"));
    OK(hersh_config_set_api_token(config, "secret"));
    OK(hersh_config_set_api_show_secrets(config, true));
    OK(hersh_config_add_api_host(config, "prices.example"));
    OK(hersh_watcher_new(config, &watcher));
    OK(hersh_config_free(config));
    OK(hersh_watcher_manage(watcher, "idle", idle, NULL, NULL));
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_api_address(watcher, &address));
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0);
    OK(hersh_string_free(address));
    OK(hersh_watcher_request_stop_with(watcher, "enough", LONG_MS, true));
    OK(hersh_watcher_wait(watcher, LONG_MS, NULL));
    OK(hersh_watcher_managed_name(watcher, &address));
    CHECK(strcmp(address, "idle") == 0);
    OK(hersh_string_free(address));
    OK(hersh_watcher_free(watcher));
}

int main(void) {
    served_from_the_start();
    char *address = NULL;
    HershWatcher *watcher = watcher_of(idle, NULL);
    REFUSED(HERSH_STATUS_OS, "address",
            hersh_watcher_start_api_server(watcher, "nowhere", NULL));
    OK(hersh_watcher_start_api_server(watcher, "127.0.0.1:0", &address));
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0 && atoi(address + 10) > 0);
    REFUSED(HERSH_STATUS_OS, address, hersh_watcher_start_api_server(watcher, "127.0.0.1:0", NULL));
    OK(hersh_string_free(address));
    OK(hersh_watcher_stop_api_server(watcher));
    REFUSED(HERSH_STATUS_NOT_RUNNING, "not served", hersh_watcher_api_address(watcher, &address));
    OK(hersh_watcher_start(watcher));
    OK(hersh_watcher_stop(watcher, NULL));
    OK(hersh_watcher_free(watcher));
    return finished();
}
