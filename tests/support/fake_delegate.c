/* A TFLite delegate that takes nothing over from the CPU, and fails as its option `behaviour` says.

   The entry points and the structure are those of TensorFlow Lite's external delegates
   (lite/delegates/external/external_delegate_interface.h, lite/core/c/common.h). */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Delegate {
  void *data;
  int (*prepare)(void *context, struct Delegate *delegate);
  void *copy_from_buffer_handle, *copy_to_buffer_handle, *free_buffer_handle;
  int64_t flags;
  void *opaque_delegate_builder;
} Delegate;

static int prepare(void *context, Delegate *delegate) {
  (void)context;
  return delegate->data == NULL ? 0 : 1;
}

static void *abort_soon(void *argument) {
  (void)argument;
  usleep(300 * 1000);
  fprintf(stderr, "F driver/usb/usb_driver.cc:1148] transfer in failed\n");
  abort();
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  const char *behaviour = "work";
  for (size_t i = 0; i < count; i++)
    if (strcmp(keys[i], "behaviour") == 0) behaviour = values[i];
  if (strcmp(behaviour, "refuse") == 0) {
    report("the chip is on strike");
    return NULL;
  }
  if (strcmp(behaviour, "silent") == 0) return NULL;
  if (strcmp(behaviour, "abort") == 0) abort();
  if (strcmp(behaviour, "hang") == 0) pause();
  if (strcmp(behaviour, "abort soon") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, abort_soon, NULL);
  }
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  if (strcmp(behaviour, "fail to prepare") == 0) delegate->data = delegate;
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
