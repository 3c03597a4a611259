// Preloaded into a member: makes fsync and fdatasync of files below one directory fail, or not return, while a control file
// exists. FAILING_SYNC_DIRECTORY is that directory, FAILING_SYNC_CONTROL the beginning of the control files' names:
//
//   CONTROL.fail     syncs fail with EIO; the path of each file is added to CONTROL.failed, a line each
//   CONTROL.block    syncs do not return until it is gone

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096

static int control_exists(const char *suffix) {
  const char *control = getenv("FAILING_SYNC_CONTROL");
  char path[PATH_BYTES];
  if (control == NULL) return 0;
  snprintf(path, sizeof path, "%s.%s", control, suffix);
  return access(path, F_OK) == 0;
}

static void note_failed(const char *file) {
  char path[PATH_BYTES];
  char line[PATH_BYTES + 1];
  snprintf(path, sizeof path, "%s.failed", getenv("FAILING_SYNC_CONTROL"));
  int length = snprintf(line, sizeof line, "%s\n", file);
  int log = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (log < 0) return;
  if (write(log, line, (size_t)length) < 0) perror(path);
  close(log);
}

// Whether the sync has to fail; returns when it need not be held up any longer.
static int must_fail(int fd) {
  const char *directory = getenv("FAILING_SYNC_DIRECTORY");
  char link[64];
  char file[PATH_BYTES];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, file, sizeof file - 1);
  if (directory == NULL || length < 0) return 0;
  file[length] = '\0';
  if (strncmp(file, directory, strlen(directory)) != 0) return 0;
  while (control_exists("block")) usleep(10000);
  if (!control_exists("fail")) return 0;
  note_failed(file);
  return 1;
}

static int sync_by(const char *name, int fd) {
  int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  if (must_fail(fd)) {
    errno = EIO;
    return -1;
  }
  return sync(fd);
}

int fsync(int fd) { return sync_by("fsync", fd); }

int fdatasync(int fd) { return sync_by("fdatasync", fd); }
