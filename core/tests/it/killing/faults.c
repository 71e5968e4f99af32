/* Lets the n-th write, flush or cut of a store's files fail: preloaded into a process under test.
 *
 *   HERSH_FAULT_AT    which one fails, from 0 on; -1 for none
 *   HERSH_FAULT_ERRNO with which error
 *   HERSH_FAULT_STAY  1 if all after it fail as well
 *   HERSH_FAULT_MARK  a file that is made when one has failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long seen;

static int is_of_the_store(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "tickets.db") != NULL && strstr(path, "-shm") == NULL;
}

/* Whether this call is to fail; errno says how. */
static int fails(int fd) {
    const char *at = getenv("HERSH_FAULT_AT");
    if (at == NULL || !is_of_the_store(fd)) return 0;
    long number = __atomic_fetch_add(&seen, 1, __ATOMIC_SEQ_CST), chosen = atol(at);
    const char *stay = getenv("HERSH_FAULT_STAY");
    int after = stay != NULL && *stay == '1' && number > chosen;
    if (chosen < 0 || (number != chosen && !after)) return 0;
    int mark = open(getenv("HERSH_FAULT_MARK"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (mark >= 0) close(mark);
    errno = atoi(getenv("HERSH_FAULT_ERRNO"));
    return 1;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return fails(fd) ? -1 : real(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return fails(fd) ? -1 : real(fd, bytes, count, at);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return fails(fd) ? -1 : real(fd, bytes, count);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return fails(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return fails(fd) ? -1 : real(fd);
}

int ftruncate(int fd, off_t length) {
    REAL(int, "ftruncate", int, off_t);
    return fails(fd) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, "ftruncate64", int, off64_t);
    return fails(fd) ? -1 : real(fd, length);
}
