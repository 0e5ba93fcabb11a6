/* The wall clock of one process, off by the seconds that a file says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *told;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("METERHOUSE_SKEW");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *at = mmap(NULL, sizeof *told, PROT_READ, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) told = at;
    close(file);
}

static int64_t skew(void) { return told ? *told : 0; }

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int said = next(id, at);
    if (said == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += skew();
    return said;
}

int gettimeofday(struct timeval *at, void *zone) {
    static int (*next)(struct timeval *, void *);
    if (!next) next = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int said = next(at, zone);
    if (said == 0) at->tv_sec += skew();
    return said;
}

time_t time(time_t *at) {
    static time_t (*next)(time_t *);
    if (!next) next = (time_t (*)(time_t *))dlsym(RTLD_NEXT, "time");
    time_t said = next(NULL) + (time_t)skew();
    if (at) *at = said;
    return said;
}
