/* SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgf_drop.h"

/* PERFORMANCE.md's, of IP lengths. */
#define IMIX "120:20,480:30,900:35,1360:15"

enum { BGF_DROP_NONE = BGF_DROP_COUNT };

const char *load_kind_name(enum load_kind kind)
{
#define KIND_NAME(NAME, name, drop, text) #name,
	static const char *const names[] = {LOAD_KIND_LIST(KIND_NAME)};
	return names[kind];
}

unsigned load_kind_drop(enum load_kind kind)
{
#define KIND_DROP(NAME, name, drop, text) BGF_DROP_##drop,
	static const unsigned drops[] = {LOAD_KIND_LIST(KIND_DROP)};
	return drops[kind];
}

/* A length is drawn by its slot: as many slots as its weight. */
static int add_length(struct load_sizes *s, uint32_t length, uint32_t weight)
{
	if (length < 1 || length > PACKET_IP_MAX || weight < 1 || s->slots + weight > LOAD_SLOTS)
		return -EINVAL;
	while (weight-- > 0)
		s->length[s->slots++] = (uint16_t)length;
	return 0;
}

static void finish(struct load_sizes *s)
{
	uint64_t sum = 0;

	s->least = s->greatest = s->length[0];
	for (int i = 0; i < s->slots; i++) {
		s->least = s->length[i] < s->least ? s->length[i] : s->least;
		s->greatest = s->length[i] > s->greatest ? s->length[i] : s->greatest;
		sum += s->length[i];
	}
	s->mean = (double)sum / s->slots;
}

int load_sizes_parse(const char *text, struct load_sizes *ret)
{
	struct load_sizes s = {.slots = 0};
	const char *at = strcmp(text, "imix") == 0 ? IMIX : text;

	snprintf(s.name, sizeof(s.name), "%s", text);
	while (*at != '\0') {
		char *end;
		unsigned long weight = 1, length = strtoul(at, &end, 10);
		if (end == at)
			return -EINVAL;
		if (*end == ':') {
			at = end + 1;
			weight = strtoul(at, &end, 10);
		}
		if (end == at || (*end != '\0' && *end != ',') || length > UINT16_MAX ||
		    weight > LOAD_SLOTS || add_length(&s, (uint32_t)length, (uint32_t)weight) != 0)
			return -EINVAL;
		at = *end == ',' ? end + 1 : end;
	}
	if (s.slots == 0)
		return -EINVAL;
	finish(&s);
	*ret = s;
	return 0;
}

int load_share_parse(const char *text, uint32_t *ret)
{
	char *end;
	const double percent = strtod(text, &end);

	if (end == text || (*end != '\0' && strcmp(end, "%") != 0) || !(percent >= 0 && percent <= 100))
		return -EINVAL;
	*ret = (uint32_t)(percent / 100 * LOAD_SHARE + 0.5);
	return 0;
}

enum load_kind load_kind_drawn(const struct load *l, uint32_t draw)
{
	for (int kind = LOAD_GOOD + 1; kind < LOAD_KINDS; kind++) {
		if (draw < l->bad_share[kind])
			return (enum load_kind)kind;
		draw -= l->bad_share[kind];
	}
	return LOAD_GOOD;
}
