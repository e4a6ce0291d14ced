/* Records what a process writes below a directory, and what it syncs, in order.
 *
 * LD_PRELOAD=shim.so POWER_ROOT=/directory POWER_LOG=/file program. Each record is one write to the log:
 * 40 bytes (op, inode, a, b, length of what follows as native 64-bit numbers), then the bytes.
 *
 *   W inode, offset, -, data          T inode, size                       S inode, records before the sync began
 *   C inode, is directory, -, path    U -, -, -, path                     R -, -, length of the old path, old and new path
 *
 * One lock around each call and its record, so that the order of records is the order of effects; not around syncs, which
 * other threads write beside: what was written before a sync began is durable when its record is there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 65536
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static size_t root_length;
static int log_fd = -1;
static uint64_t records;
static uint64_t watched[MOST]; /* inode by descriptor; 0: not ours */

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
  const char *directory = getenv("POWER_ROOT"), *log = getenv("POWER_LOG");
  unsetenv("LD_PRELOAD"); /* children write nothing that lasts */
  if (!directory || !log || strlen(directory) >= sizeof root) return;
  strcpy(root, directory);
  root_length = strlen(root);
  log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int ours(const char *path) {
  return log_fd >= 0 && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static void put(char op, uint64_t inode, uint64_t a, uint64_t b, const struct iovec *data, int count) {
  uint64_t head[5] = {(uint64_t)op, inode, a, b, 0};
  struct iovec all[18] = {{head, sizeof head}};
  for (int i = 0; i < count; i++) {
    all[i + 1] = data[i];
    head[4] += data[i].iov_len;
  }
  ssize_t expected = (ssize_t)(sizeof head + head[4]);
  if (REAL(writev)(log_fd, all, count + 1) != expected) abort();
  records++;
}

static void put_path(char op, uint64_t inode, uint64_t a, const char *path) {
  struct iovec data = {(void *)path, strlen(path)};
  put(op, inode, a, 0, &data, 1);
}

static uint64_t of(int fd) { return fd >= 0 && fd < MOST ? watched[fd] : 0; }

static int opened(int at, const char *path, int flags, mode_t mode) {
  __typeof__(&openat) call = REAL(openat);
  if (!ours(path)) return call(at, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat found;
  int was_there = !stat(path, &found), fd = call(at, path, flags, mode), saved = errno;
  if (fd >= 0 && fd < MOST && !fstat(fd, &found)) {
    watched[fd] = found.st_ino;
    if (!was_there) put_path('C', found.st_ino, 0, path);
    else if (flags & O_TRUNC) put('T', found.st_ino, 0, 0, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = saved;
  return fd;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) 
  if (!ours(path)) return ((int (*)(int, const char *, int, ...))real("openat64"))(at, path, flags, mode);
  return opened(at, path, flags, mode); }

int close(int fd) {
  if (fd >= 0 && fd < MOST) watched[fd] = 0;
  return REAL(close)(fd);
}

static ssize_t wrote(uint64_t inode, off_t at, const struct iovec *data, int count, ssize_t done) {
  struct iovec part[17];
  ssize_t left = done;
  int parts = 0;
  for (int i = 0; i < count && left > 0; i++, parts++) {
    part[i] = data[i];
    if ((ssize_t)part[i].iov_len > left) part[i].iov_len = (size_t)left;
    left -= (ssize_t)part[i].iov_len;
  }
  int saved = errno;
  if (done > 0) put('W', inode, (uint64_t)at, 0, part, parts);
  errno = saved;
  return done;
}

ssize_t write(int fd, const void *data, size_t size) {
  uint64_t inode = of(fd);
  if (!inode) return REAL(write)(fd, data, size);
  pthread_mutex_lock(&lock);
  off_t at = lseek(fd, 0, SEEK_CUR);
  struct iovec all = {(void *)data, size};
  ssize_t done = wrote(inode, at, &all, 1, REAL(write)(fd, data, size));
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t writev(int fd, const struct iovec *data, int count) {
  uint64_t inode = of(fd);
  if (!inode) return REAL(writev)(fd, data, count);
  if (count > 16) count = 16; /* a short write */
  pthread_mutex_lock(&lock);
  off_t at = lseek(fd, 0, SEEK_CUR);
  ssize_t done = wrote(inode, at, data, count, REAL(writev)(fd, data, count));
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  uint64_t inode = of(fd);
  if (!inode) return REAL(pwrite64)(fd, data, size, at);
  pthread_mutex_lock(&lock);
  struct iovec all = {(void *)data, size};
  ssize_t done = wrote(inode, at, &all, 1, REAL(pwrite64)(fd, data, size, at));
  pthread_mutex_unlock(&lock);
  return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

int ftruncate64(int fd, off64_t size) {
  uint64_t inode = of(fd);
  if (!inode) return REAL(ftruncate64)(fd, size);
  pthread_mutex_lock(&lock);
  int done = REAL(ftruncate64)(fd, size), saved = errno;
  if (!done) put('T', inode, (uint64_t)size, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  errno = saved;
  return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int synced(int fd, int (*call)(int)) {
  uint64_t inode = of(fd);
  if (!inode) return call(fd);
  pthread_mutex_lock(&lock);
  uint64_t before = records;
  pthread_mutex_unlock(&lock);
  int done = call(fd), saved = errno;
  if (!done) {
    pthread_mutex_lock(&lock);
    put('S', inode, before, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
  }
  errno = saved;
  return done;
}
int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int mkdir(const char *path, mode_t mode) {
  if (!ours(path)) return REAL(mkdir)(path, mode);
  pthread_mutex_lock(&lock);
  int done = REAL(mkdir)(path, mode), saved = errno;
  struct stat made;
  if (!done && !stat(path, &made)) put_path('C', made.st_ino, 1, path);
  pthread_mutex_unlock(&lock);
  errno = saved;
  return done;
}

int unlink(const char *path) {
  if (!ours(path)) return REAL(unlink)(path);
  pthread_mutex_lock(&lock);
  int done = REAL(unlink)(path), saved = errno;
  if (!done) put_path('U', 0, 0, path);
  pthread_mutex_unlock(&lock);
  errno = saved;
  return done;
}

int rename(const char *from, const char *to) {
  if (!ours(from) && !ours(to)) return REAL(rename)(from, to);
  pthread_mutex_lock(&lock);
  int done = REAL(rename)(from, to), saved = errno;
  struct iovec both[2] = {{(void *)from, strlen(from)}, {(void *)to, strlen(to)}};
  if (!done) put('R', 0, 0, strlen(from), both, 2);
  pthread_mutex_unlock(&lock);
  errno = saved;
  return done;
}
