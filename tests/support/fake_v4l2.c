/* A USB camera for tests, where no kernel module can be loaded: loaded with LD_PRELOAD, it answers for the file
 * $FAKE_V4L2/device. It has the habits that matter: uncompressed pictures (YUYV) up to 640x480 only, as more does not
 * fit through USB 2, compressed ones (MJPG) up to 1280x720, from $FAKE_V4L2/<width>x<height>.jpg.
 * $FAKE_V4L2/video0 is the same camera, and video1 its node for metadata, as USB cameras have one.
 * While $FAKE_V4L2/silent exists no picture comes; while $FAKE_V4L2/gone exists it is pulled out.
 * $FAKE_V4L2/yuyv-only: it has no MJPG. Every format that it agrees on is a line of $FAKE_V4L2/log. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <unistd.h>

enum { BUFFERS = 8, BUFFER_SIZE = 4 << 20 };

static int device = -1;
static int gives_metadata;
static struct v4l2_pix_format format = {.width = 640, .height = 480, .pixelformat = V4L2_PIX_FMT_YUYV};
static void *memory[BUFFERS];
static int queued[BUFFERS], queue_length;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char *in_folder(const char *name)
{
    static __thread char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("FAKE_V4L2") ? getenv("FAKE_V4L2") : "/nowhere", name);
    return path;
}

static int is_there(const char *name) { return access(in_folder(name), F_OK) == 0; }

static int open_device(const char *path)
{
    if (is_there("gone")) {
        errno = ENODEV;
        return -1;
    }
    gives_metadata = !strcmp(path, in_folder("video1"));
    return device = memfd_create("fake-v4l2", 0);
}

static int is_ours(const char *path)
{
    return !strcmp(path, in_folder("device")) || !strcmp(path, in_folder("video0")) ||
           !strcmp(path, in_folder("video1"));
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return is_ours(path) ? open_device(path) : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return is_ours(path) ? open_device(path) : REAL(open64)(path, flags, mode);
}

int close(int file)
{
    if (file == device && file >= 0) {
        device = -1;
        queue_length = 0;
    }
    return REAL(close)(file);
}

static void *map(int buffer)
{
    if (memory[buffer])
        munmap(memory[buffer], BUFFER_SIZE);
    return memory[buffer] =
               REAL(mmap)(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    if (file == device && file >= 0)
        return map((int)(offset / BUFFER_SIZE));
    return REAL(mmap)(address, length, protection, flags, file, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset)
{
    if (file == device && file >= 0)
        return map((int)(offset / BUFFER_SIZE));
    return REAL(mmap64)(address, length, protection, flags, file, offset);
}

int munmap(void *address, size_t length)
{
    for (int i = 0; i < BUFFERS; i++)
        if (memory[i] == address)
            memory[i] = NULL;
    return REAL(munmap)(address, length);
}

int select(int count, fd_set *reading, fd_set *writing, fd_set *failing, struct timeval *timeout)
{
    if (device < 0 || !reading || device >= count || !FD_ISSET(device, reading))
        return REAL(select)(count, reading, writing, failing, timeout);
    usleep(20000);
    while (is_there("silent") && timeout && (timeout->tv_sec > 0 || timeout->tv_usec > 0)) {
        usleep(50000);
        timeout->tv_usec -= 50000;
        if (timeout->tv_usec < 0) {
            timeout->tv_usec += 1000000;
            timeout->tv_sec--;
        }
        if (timeout->tv_sec < 0)
            timeout->tv_sec = timeout->tv_usec = 0;
    }
    return !is_there("silent");
}

static void agree(struct v4l2_format *wanted)
{
    int compressed = wanted->fmt.pix.pixelformat == V4L2_PIX_FMT_MJPEG && !is_there("yuyv-only");
    unsigned widest = compressed ? 1280 : 640, highest = compressed ? 720 : 480;
    format.pixelformat = compressed ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
    int fits = wanted->fmt.pix.width >= widest && wanted->fmt.pix.height >= highest;
    format.width = fits ? widest : 640;
    format.height = fits ? highest : 480;
    format.bytesperline = compressed ? 0 : format.width * 2;
    format.sizeimage = format.width * format.height * 2;
    format.field = V4L2_FIELD_NONE;
    format.colorspace = V4L2_COLORSPACE_SRGB;
    wanted->fmt.pix = format;
}

static void note(void)
{
    FILE *log = fopen(in_folder("log"), "a");
    fprintf(log, "%.4s %ux%u\n", (char *)&format.pixelformat, format.width, format.height);
    fclose(log);
}

static size_t fill(unsigned char *buffer)
{
    if (format.pixelformat == V4L2_PIX_FMT_YUYV) {
        memset(buffer, 128, format.sizeimage);
        return format.sizeimage;
    }
    char name[32];
    snprintf(name, sizeof name, "%ux%u.jpg", format.width, format.height);
    FILE *picture = fopen(in_folder(name), "rb");
    size_t length = fread(buffer, 1, BUFFER_SIZE, picture);
    fclose(picture);
    return length;
}

static int answer(unsigned long request, void *argument)
{
    struct v4l2_buffer *buffer = argument;
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = argument;
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "uvcvideo");
        strcpy((char *)capability->card, "Fake Camera");
        strcpy((char *)capability->bus_info, "usb-0000:00:14.0-1");
        capability->device_caps = V4L2_CAP_STREAMING | (gives_metadata ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE);
        capability->capabilities =
            V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
        return 0;
    }
    case VIDIOC_G_FMT:
        ((struct v4l2_format *)argument)->fmt.pix = format;
        return 0;
    case VIDIOC_S_FMT:
        agree(argument);
        note();
        return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_captureparm *capture = &((struct v4l2_streamparm *)argument)->parm.capture;
        capture->capability = V4L2_CAP_TIMEPERFRAME;
        if (!capture->timeperframe.denominator)
            capture->timeperframe = (struct v4l2_fract){1, 30};
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = argument;
        if (wanted->memory != V4L2_MEMORY_MMAP)
            break;
        wanted->count = wanted->count > BUFFERS ? BUFFERS : wanted->count;
        queue_length = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF:
        buffer->length = BUFFER_SIZE;
        buffer->m.offset = buffer->index * BUFFER_SIZE;
        return 0;
    case VIDIOC_QBUF:
        queued[queue_length++] = (int)buffer->index;
        return 0;
    case VIDIOC_DQBUF:
        if (!queue_length || is_there("silent")) {
            errno = EAGAIN;
            return -1;
        }
        buffer->index = (unsigned)queued[0];
        memmove(queued, queued + 1, sizeof *queued * (size_t)--queue_length);
        buffer->bytesused = (unsigned)fill(memory[buffer->index]);
        buffer->length = BUFFER_SIZE;
        buffer->flags = V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_MAPPED;
        return 0;
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        return 0;
    }
    errno = EINVAL;
    return -1;
}

int ioctl(int file, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (file != device || file < 0)
        return REAL(ioctl)(file, request, argument);
    if (is_there("gone")) {
        errno = ENODEV;
        return -1;
    }
    return answer(request & 0xffffffff, argument);
}
