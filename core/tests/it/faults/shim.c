/* Loaded before the C library, it lets the n-th call of one function fail, once: what a full disk, a
 * broken one or a machine without room for another thread would do, at a moment of the test's choosing.
 *
 *   HERSH_FAULT   CALL:N   which call, and the how-manieth after arming
 *
 * A process that cannot call it by name arms it by renaming a file of the name below; renaming the
 * other tells whether the call has failed, by succeeding. Only regular files count for write and fsync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARM "hersh-fault-arm"
#define TOLD "hersh-fault-told"

static int armed, fired, half;
static long seen;

static int due(const char *call) {
    const char *wanted = getenv("HERSH_FAULT");
    size_t length = strlen(call);
    if (!armed || !wanted || strncmp(wanted, call, length) != 0 || wanted[length] != ':')
        return 0;
    if (__sync_add_and_fetch(&seen, 1) != atol(wanted + length + 1))
        return 0;
    fired = 1;
    return 1;
}

static int counts(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && fd > 2;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
    if (counts(fd)) {
        if (half) {
            half = 0;
            errno = ENOSPC;
            return -1;
        }
        if (due("write")) {
            errno = ENOSPC;
            return -1;
        }
        /* A disk that fills up takes a part, and then nothing. */
        if (count > 1 && due("short")) {
            half = 1;
            return REAL(write)(fd, bytes, count / 2);
        }
    }
    return REAL(write)(fd, bytes, count);
}

int fsync(int fd) {
    if (due("fsync")) {
        errno = EIO;
        return -1;
    }
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
    if (strcmp(from, ARM) == 0) {
        armed = 1;
        return 0;
    }
    if (strcmp(from, TOLD) == 0) {
        armed = 0;
        if (fired)
            return 0;
        errno = ENOENT;
        return -1;
    }
    if (due("rename")) {
        errno = EIO;
        return -1;
    }
    return REAL(rename)(from, to);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    if (due("open")) {
        errno = EMFILE;
        return -1;
    }
    return REAL(open64)(path, flags, mode);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *with) {
    if (due("spawn"))
        return EAGAIN;
    return REAL(pthread_create)(thread, how, body, with);
}

int accept4(int fd, struct sockaddr *from, socklen_t *length, int flags) {
    if (due("accept")) {
        errno = EMFILE;
        return -1;
    }
    return REAL(accept4)(fd, from, length, flags);
}
