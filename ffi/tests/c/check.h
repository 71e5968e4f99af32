/* What the tests share: checks that name their place, and a wait that cannot hang. */
#ifndef CHECK_H
#define CHECK_H

#include <hersh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for the slowest machine under valgrind; never waited for when all is well. */
#define LONG_MS 60000

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            const char *words = hersh_last_error_message();                                  \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, \
                    words ? words : "none");                                                 \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

#define OK(call) CHECK((call) == HERSH_STATUS_OK)

/* The call is answered with this status, and with words that contain this text. */
#define REFUSED(status, text, call)                                 \
    do {                                                            \
        CHECK((call) == (status));                                  \
        CHECK(hersh_last_error_message() != NULL);                  \
        CHECK(strstr(hersh_last_error_message(), (text)) != NULL);  \
    } while (0)

static inline HershWatcher *watcher_of(HershManagedFn managed, void *user_data) {
    HershWatcher *watcher = NULL;
    OK(hersh_watcher_new(NULL, &watcher));
    OK(hersh_watcher_manage(watcher, "test", managed, user_data, NULL));
    return watcher;
}

/* The end of a test: everything has been given back. */
static int finished(void) {
    CHECK(hersh_alive() == 0);
    return 0;
}

#endif
