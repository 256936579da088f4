/* Preloaded into a program: makes the system refuse or delay, as long as a file in the folder $FAKE_TROUBLE says so.
 *   slow_fsync   holds the seconds that each fsync and fdatasync takes on top
 *   no_threads   exists: no thread can be started
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static FILE *trouble(const char *name)
{
    const char *folder = getenv("FAKE_TROUBLE");
    char path[4096];
    if (folder == NULL)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "re");
}

static void delay(void)
{
    FILE *file = trouble("slow_fsync");
    double seconds = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "%lf", &seconds) == 1) {
        struct timespec pause = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
        while (nanosleep(&pause, &pause) == -1 && errno == EINTR)
            ;
    }
    fclose(file);
}

int fsync(int descriptor)
{
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    delay();
    return real(descriptor);
}

int fdatasync(int descriptor)
{
    static int (*real)(int);
    if (real == NULL)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    delay();
    return real(descriptor);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    FILE *file = trouble("no_threads");
    if (file != NULL) {
        fclose(file);
        return EAGAIN;
    }
    if (real == NULL)
        real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, start, argument);
}
