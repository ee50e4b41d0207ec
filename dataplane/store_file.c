/* SPDX-License-Identifier: BSD-3-Clause */
#include "store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int store_file_head(int fd, size_t size, size_t page, struct store_header *ret_head)
{
	struct store_header head = {0};
	size_t n = size < sizeof(head) ? size : sizeof(head);

	/* hugetlbfs has no write(), and a map must not reach beyond the last page */
	void *base = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	memcpy(&head, base, n);
	munmap(base, page);
	*ret_head = head;
	return 0;
}

/* Overwrites the octets from..to, which have memory behind them. */
static int overwrite(int fd, size_t from, size_t to, size_t page)
{
	size_t begin = from / page * page;
	void *base = mmap(NULL, to - begin, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)begin);

	if (base == MAP_FAILED)
		return -errno;
	explicit_bzero((uint8_t *)base + (from - begin), to - from);
	munmap(base, to - begin);
	return 0;
}

/* Overwrites what has memory behind it from `from` on. Holes have no keys, and writing to them could fail
 * for want of memory. */
static int wipe(int fd, size_t from, size_t size, size_t page)
{
	while (from < size) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		off_t hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		int rc = overwrite(fd, (size_t)data, (size_t)hole, page);
		if (rc != 0)
			return rc;
		from = (size_t)hole;
	}
	return 0;
}

int store_file_set_aside(int fd, const char *path, size_t size, size_t page)
{
	struct store_header head;
	char aside[4096 + 16];
	int rc = store_file_head(fd, size, page, &head);

	if (rc != 0)
		return rc;
	/* our own header holds no secret and tells what the file was; of a stranger's nothing is known */
	size_t keep = memcmp(head.magic, STORE_MAGIC, sizeof(head.magic)) == 0 ? sizeof(head) : 0;
	rc = wipe(fd, keep, size, page);
	if (rc != 0)
		return rc;
	if (size > page && ftruncate(fd, (off_t)page) != 0)
		return -errno;
	snprintf(aside, sizeof(aside), "%s.refused", path);
	return rename(path, aside) == 0 ? 0 : -errno;
}
