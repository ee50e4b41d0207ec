/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store's file: header, hot records, cold records. Its records' life is in sets.c, what is done with a
 * file that cannot be used in store_refuse.c.
 */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "bgf_spi.h"
#include "store_file.h"

static_assert(sizeof(struct store_header) <= STORE_HEADER_SIZE, "the records come after its page");

enum { LOCK_TRIES = 200, LOCK_PAUSE_US = 10000, AHEAD = 16 /* records */ };

static_assert(sizeof(struct store_cold) <= 704, "an established UE costs at most 1,024 octets");

struct store {
	int fd;
	bool huge;
	size_t page; /* octets; what the file's size is a multiple of */
	size_t size; /* of the file and the map */
	struct store_header *header;
	struct sa_hot *hot;
	struct store_cold *cold;
};

__attribute__((format(printf, 4, 5))) static int fail(int error, char *text, size_t size, const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, size, format, args);
	va_end(args);
	return -error;
}

static size_t round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

static size_t hot_offset(void)
{
	return STORE_HEADER_SIZE;
}

static size_t cold_offset(uint32_t capacity)
{
	return hot_offset() + round_up((size_t)capacity * sizeof(struct sa_hot), STORE_HEADER_SIZE);
}

static size_t store_size(uint32_t capacity, size_t page)
{
	return round_up(cold_offset(capacity) + (size_t)capacity * sizeof(struct store_cold), page);
}

/* The running kernel's boot id: CLOCK_BOOTTIME and with it every expiry means nothing under another. */
static int boot_id_read(uint8_t ret_id[16])
{
	uint8_t id[16];
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	int n = 0;

	if (f == NULL)
		return -errno;
	for (; n < 16; n++) {
		unsigned octet;
		if (fscanf(f, "%2x%*[-]", &octet) != 1)
			break;
		id[n] = (uint8_t)octet;
	}
	fclose(f);
	if (n < 16)
		return -EIO;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}

static void header_make(struct store_header *h, uint32_t capacity, const uint8_t boot_id[16])
{
	*h = (struct store_header){.layout = STORE_LAYOUT,
				   .capacity = capacity,
				   .slot_bits = BGF_SPI_SLOT_BITS,
				   .generation_bits = BGF_SPI_GENERATION_BITS,
				   .hot_size = sizeof(struct sa_hot),
				   .cold_size = sizeof(struct store_cold),
				   .drops = BGF_DROP_COUNT};
	memcpy(h->magic, STORE_MAGIC, sizeof(h->magic));
	memcpy(h->boot_id, boot_id, sizeof(h->boot_id));
}

uint32_t store_header_checksum(const struct store_header *h)
{
	return rte_hash_crc(h, offsetof(struct store_header, checksum), UINT32_MAX);
}

/* Why a store cannot be gone on with, or NULL. `want` has all but the epoch. */
static const char *header_fault(const struct store_header *h, const struct store_header *want, size_t size,
				size_t page, char *text, size_t text_size)
{
	if (size < sizeof(*h))
		return "it is too short to be one";
	if (memcmp(h->magic, want->magic, sizeof(h->magic)) != 0)
		return "it was not made by bgf-dataplane, or its making was not finished";
	if (h->layout != want->layout || h->hot_size != want->hot_size || h->cold_size != want->cold_size ||
	    h->drops != want->drops) {
		snprintf(text, text_size, "it has layout %u, and this version has layout %u", h->layout,
			 want->layout);
		return h->layout != want->layout ? text : "its records have another size than this version's";
	}
	if (h->checksum != store_header_checksum(h))
		return "the checksum of its header is wrong";
	if (h->slot_bits != want->slot_bits || h->generation_bits != want->generation_bits)
		return "its SPIs are laid out in another way";
	if (h->capacity != want->capacity || size != store_size(h->capacity, page)) {
		snprintf(text, text_size, "it was made for %u sets (%zu octets), the configuration says %u",
			 h->capacity, size, want->capacity);
		return text;
	}
	if (memcmp(h->boot_id, want->boot_id, sizeof(h->boot_id)) != 0)
		return "it was made before the last reboot";
	return NULL;
}

/* Finds out what lies at path's folder: keys may lie in memory only. */
static int place_check(const char *path, bool *ret_huge, size_t *ret_page, char *error, size_t error_size)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	struct statfs fs;

	if (strstr(slash != NULL ? slash + 1 : path, "map_") != NULL)
		return fail(EINVAL, error, error_size,
			    "store %s: any DPDK program deletes files with 'map_' in their name; "
			    "choose another name",
			    path);
	snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int)(slash - path + (slash == path)),
		 slash == NULL ? "." : path);
	if (statfs(folder, &fs) != 0)
		return fail(errno, error, error_size, "store %s: folder %s: %s", path, folder,
			    strerror(errno));
	if (fs.f_type != HUGETLBFS_MAGIC && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return fail(EINVAL, error, error_size,
			    "store %s: %s is on a disk, and keys must not get there; choose a file on a "
			    "hugetlbfs (/dev/hugepages) or a tmpfs (/dev/shm)",
			    path, folder);
	*ret_huge = fs.f_type == HUGETLBFS_MAGIC;
	*ret_page = *ret_huge ? (size_t)fs.f_bsize : STORE_HEADER_SIZE;
	return 0;
}

/* Takes the lock. A supervisor starts the next process while the kernel still takes down a killed one, which
 * keeps its lock until then: wait a little. */
static int lock(int fd)
{
	for (int tries = 0;; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
			return -errno;
		usleep(LOCK_PAUSE_US);
	}
}

/* Opens and locks the file; makes an empty one where none is. */
static int file_open(const char *path, int *ret_fd, struct stat *ret_stat, char *error, size_t error_size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return fail(errno, error, error_size, "store %s: %s", path,
			    errno == EISDIR ? "is a folder; name a file in it" : strerror(errno));
	struct stat st;
	int rc = 0;
	if (fstat(fd, &st) != 0)
		rc = fail(errno, error, error_size, "store %s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = fail(EINVAL, error, error_size, "store %s: is no regular file", path);
	else if (st.st_uid != geteuid())
		rc = fail(EPERM, error, error_size,
			  "store %s: belongs to user %u, and this process runs as user %u", path, st.st_uid,
			  geteuid());
	else if (lock(fd) != 0)
		rc = fail(errno == EWOULDBLOCK ? EBUSY : errno, error, error_size, "store %s: %s", path,
			  errno == EWOULDBLOCK
				  ? "another process has it; only one bgf-dataplane can use a store"
				  : strerror(errno));
	else if (fchmod(fd, 0600) != 0)
		rc = fail(errno, error, error_size, "store %s: %s", path, strerror(errno));
	if (rc != 0) {
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	*ret_stat = st;
	return 0;
}

/* Takes all of the file's memory now: a page that is missing later would be a SIGBUS in a worker. */
static int file_fill(const struct store *s, const char *path, char *error, size_t error_size)
{
	if (fallocate(s->fd, 0, 0, (off_t)s->size) == 0)
		return 0;
	if (s->huge && (errno == ENOSPC || errno == ENOMEM))
		return fail(ENOSPC, error, error_size,
			    "store %s: not enough free huge pages: it needs %zu of %zu kB, beside those for "
			    "packet buffers; raise vm.nr_hugepages or lower `capacity`",
			    path, s->size / s->page, s->page / 1024);
	return fail(errno, error, error_size, "store %s: %zu kB are needed: %s", path, s->size / 1024,
		    strerror(errno));
}

static int map(struct store *s, const char *path, char *error, size_t error_size)
{
	void *base = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, 0);

	if (base == MAP_FAILED)
		return fail(errno, error, error_size, "store %s: cannot map %zu kB: %s", path, s->size / 1024,
			    strerror(errno));
	s->header = base;
	madvise(base, s->size, MADV_DONTDUMP);
	madvise(base, s->size, MADV_DONTFORK);
	if (!s->huge) {
		/* root may raise its own limit; huge pages are never swapped anyway */
		setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
		if (mlock(base, s->size) != 0) {
			int rc = fail(errno, error, error_size,
				      "store %s: cannot lock %zu kB of keys in memory: %s (LimitMEMLOCK)",
				      path, s->size / 1024, strerror(errno));
			munmap(base, s->size);
			s->header = NULL;
			return rc;
		}
	}
	return 0;
}

static void arrays_set(struct store *s, uint32_t capacity)
{
	s->hot = (struct sa_hot *)((uint8_t *)s->header + hot_offset());
	s->cold = (struct store_cold *)((uint8_t *)s->header + cold_offset(capacity));
}

/* A new store in a file that is empty. Its magic comes last: what a crash leaves is no store. */
static int make(struct store *s, const char *path, const struct store_header *want, char *error,
		size_t error_size)
{
	s->size = store_size(want->capacity, s->page);
	int rc = file_fill(s, path, error, error_size);
	if (rc == 0)
		rc = map(s, path, error, error_size);
	if (rc != 0) {
		unlink(path);
		return rc;
	}
	struct store_header *h = s->header;
	*h = *want;
	memset(h->magic, 0, sizeof(h->magic));
	while (h->epoch == 0)
		if (getrandom(&h->epoch, sizeof(h->epoch), 0) != sizeof(h->epoch))
			h->epoch = 0;
	struct store_header whole = *h;
	memcpy(whole.magic, want->magic, sizeof(whole.magic));
	h->checksum = store_header_checksum(&whole);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(h->magic, want->magic, sizeof(h->magic));
	arrays_set(s, want->capacity);
	return 0;
}

/* Goes on with the store in the file. STORE_REFUSED: it cannot be used, error[] says why. */
static int reopen(struct store *s, const char *path, const struct store_header *want, size_t size,
		  char *error, size_t error_size)
{
	struct store_header head = {0};
	char text[160];
	int rc = store_file_head(s->fd, size, s->page, &head);
	const char *fault = rc != 0 ? strerror(-rc) : NULL;

	if (fault == NULL)
		fault = header_fault(&head, want, size, s->page, text, sizeof(text));
	if (fault != NULL) {
		fail(0, error, error_size, "store %s: refused: %s", path, fault);
		return STORE_REFUSED;
	}
	s->size = size;
	rc = file_fill(s, path, error, error_size); /* no change, unless someone punched holes */
	if (rc == 0)
		rc = map(s, path, error, error_size);
	if (rc != 0)
		return rc;
	arrays_set(s, head.capacity);
	for (uint32_t slot = 0; slot < head.capacity; slot++) {
		if (head.capacity - slot > AHEAD)
			__builtin_prefetch(&s->cold[slot + AHEAD]);
		if (s->cold[slot].record != STORE_LIVE && s->cold[slot].record != STORE_FREE)
			store_wipe(s, slot);
	}
	return 0;
}

static int open_locked(struct store *s, const char *path, uint32_t capacity, size_t size, char *error,
		       size_t error_size)
{
	struct store_header want;
	uint8_t boot_id[16] = {0};
	int rc = boot_id_read(boot_id);

	if (rc != 0)
		return fail(-rc, error, error_size, "store %s: the kernel's boot id: %s", path,
			    strerror(-rc));
	header_make(&want, capacity, boot_id);
	if (size == 0)
		return make(s, path, &want, error, error_size);
	rc = reopen(s, path, &want, size, error, error_size);
	if (rc != STORE_REFUSED)
		return rc;

	rc = store_file_set_aside(s->fd, path, size, s->page);
	if (rc != 0) {
		size_t used = strlen(error);
		return fail(-rc, error + used, error_size - used, "; cannot set it aside as %s.refused: %s",
			    path, strerror(-rc));
	}
	struct stat st;
	char why[256];
	close(s->fd);
	s->fd = -1;
	rc = file_open(path, &s->fd, &st, why, sizeof(why));
	if (rc == 0)
		rc = make(s, path, &want, why, sizeof(why));
	if (rc != 0)
		return fail(-rc, error, error_size, "%s", why);
	size_t used = strlen(error);
	snprintf(error + used, error_size - used,
		 "; its keys are wiped, its header is kept as %s.refused, a new store took its place", path);
	return STORE_REFUSED;
}

int store_open(const char *path, uint32_t capacity, struct store **ret_store, char *error, size_t error_size)
{
	bool huge;
	size_t page;
	struct stat st;
	int fd;

	if (capacity == 0 || capacity > BGF_SPI_SLOTS)
		return fail(EINVAL, error, error_size, "store %s: capacity %u; allowed: 1 to %u", path,
			    capacity, BGF_SPI_SLOTS);
	int rc = place_check(path, &huge, &page, error, error_size);
	if (rc == 0)
		rc = file_open(path, &fd, &st, error, error_size);
	if (rc != 0)
		return rc;
	struct store *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		close(fd);
		return fail(ENOMEM, error, error_size, "store %s: no memory", path);
	}
	*s = (struct store){.fd = fd, .huge = huge, .page = page};
	rc = open_locked(s, path, capacity, (size_t)st.st_size, error, error_size);
	if (rc < 0) {
		store_close(s);
		return rc;
	}
	*ret_store = s;
	return rc;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->header != NULL)
		munmap(s->header, s->size);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

uint32_t store_capacity(const struct store *s)
{
	return s->header->capacity;
}

uint64_t store_epoch(const struct store *s)
{
	return s->header->epoch;
}

const uint8_t *store_boot_id(const struct store *s)
{
	return s->header->boot_id;
}

struct sa_hot *store_hot(const struct store *s)
{
	return s->hot;
}

struct store_cold *store_cold(const struct store *s, uint32_t slot)
{
	return &s->cold[slot];
}

uint64_t store_set_id_next(struct store *s, uint32_t slot)
{
	return ++s->header->set_sequence << BGF_SPI_SLOT_BITS | slot;
}

struct dpl_set_update *store_change(struct store *s)
{
	return &s->header->change;
}

static uint32_t cold_checksum(const struct store_cold *c)
{
	uint32_t sum = rte_hash_crc(&c->set_id, sizeof(c->set_id), c->generation);

	sum = rte_hash_crc(&c->selectors, sizeof(c->selectors), sum);
	sum = rte_hash_crc(&c->key_length, sizeof(c->key_length), sum);
	return rte_hash_crc(c->auth_key, sizeof(c->auth_key), sum);
}

void store_seal(struct store_cold *c)
{
	c->checksum = cold_checksum(c);
}

int store_sealed(const struct store_cold *c)
{
	return c->checksum == cold_checksum(c);
}

void store_wipe(struct store *s, uint32_t slot)
{
	struct store_cold *c = &s->cold[slot];
	uint32_t generation = c->generation;

	explicit_bzero(&s->hot[slot], sizeof(s->hot[slot]));
	/* FREE comes last: what a crash leaves half wiped is wiped again */
	explicit_bzero((uint8_t *)c + 1, sizeof(*c) - 1);
	c->generation = generation;
	__atomic_store_n(&c->record, STORE_FREE, __ATOMIC_RELEASE);
}
