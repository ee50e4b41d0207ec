/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs a fuzz target over the files of a folder, without libFuzzer: the seed corpus as an ordinary test. Each
 * file is given whole, cut short at every octet, and with every octet changed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { SEED_MAX = 1 << 20 };

/* The target gets a copy of exactly its size, so that a sanitizer sees one octet too far. */
static void give(const uint8_t *data, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);

	if (copy == NULL)
		abort();
	if (length > 0)
		memcpy(copy, data, length);
	LLVMFuzzerTestOneInput(copy, length);
	free(copy);
}

static void give_variants(uint8_t *data, size_t length)
{
	static const uint8_t changes[] = {0x01, 0x80, 0xff};

	for (size_t i = 0; i <= length; i++)
		give(data, i);
	for (size_t i = 0; i < length; i++)
		for (size_t c = 0; c < sizeof(changes); c++) {
			data[i] ^= changes[c];
			give(data, length);
			data[i] ^= changes[c];
		}
}

/* False: cannot be read. */
static int run_file(const char *folder, const char *name)
{
	static uint8_t data[SEED_MAX];
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 0;
	}
	size_t length = fread(data, 1, sizeof(data), f);
	fclose(f);
	give_variants(data, length);
	return 1;
}

int main(int argc, char **argv)
{
	unsigned files = 0;
	struct dirent *entry;

	if (argc != 2) {
		fputs("Usage: replay FOLDER\n", stderr);
		return 2;
	}
	DIR *folder = opendir(argv[1]);
	if (folder == NULL) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (!run_file(argv[1], entry->d_name))
			return 1;
		files++;
	}
	closedir(folder);
	printf("%u seeds\n", files);
	return files > 0 ? 0 : 1;
}
