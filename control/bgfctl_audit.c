/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl audit: does the gateway hold the sets that it lists? All rows of QUERY against the digests of AUDIT,
 * which are kept apart from them. Also the model of how a P-CSCF uses zb_audit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bgfctl.h"
#include "bgfctl_out.h"

enum { PAGE = 64, ROUNDS = 3 /* a set that changes meanwhile is looked at again */ };

struct held {
	uint64_t set_id, digest; /* set_id 0: none any more */
};

struct auditor {
	struct ctl *ctl;
	struct held *held;
	size_t count, room;
	struct zb_difference *difference;
	size_t differences;
	bool is_short; /* of memory */
};

static void hold(struct auditor *a, const struct zb_set *set)
{
	if (a->count == a->room) {
		size_t room = a->room == 0 ? 1024 : a->room * 2;
		struct held *held = realloc(a->held, room * sizeof(*held));
		if (held == NULL) {
			a->is_short = true;
			return;
		}
		a->held = held;
		a->room = room;
	}
	a->held[a->count++] = (struct held){set->set_id, zb_set_digest(set)};
}

static int fetch(struct auditor *a, struct zb_query *query)
{
	static struct zb_set rows[PAGE];
	size_t count;

	do {
		int r = zb_query(a->ctl->zb, query, rows, PAGE, &count, &a->ctl->error);
		if (r < 0)
			return r;
		for (size_t i = 0; i < count; i++)
			hold(a, &rows[i]);
	} while (query->cursor != 0);
	return 0;
}

/* What differed, as it is listed now. */
static int fetch_again(struct auditor *a)
{
	for (size_t d = 0; d < a->differences; d++) {
		struct zb_query query = {.set_id = a->difference[d].set_id};
		for (size_t i = 0; i < a->count; i++)
			if (a->held[i].set_id == query.set_id)
				a->held[i].set_id = 0;
		int r = fetch(a, &query);
		if (r < 0)
			return r;
	}
	return 0;
}

static void each(void *own, zb_audit_add add, void *to)
{
	const struct auditor *a = own;

	for (size_t i = 0; i < a->count; i++)
		if (a->held[i].set_id != 0)
			add(to, a->held[i].set_id, a->held[i].digest);
}

static void note(const struct zb_difference *d, void *arg)
{
	struct auditor *a = arg;
	struct zb_difference *all = realloc(a->difference, (a->differences + 1) * sizeof(*all));

	if (all == NULL) {
		a->is_short = true;
		return;
	}
	all[a->differences++] = *d;
	a->difference = all;
}

static int compare(struct auditor *a)
{
	const struct zb_audit audit = {.each = each, .own = a, .on_difference = note, .arg = a};
	struct zb_query all = {0};
	int r = fetch(a, &all);

	for (int round = 0; round < ROUNDS && r == 0; round++) {
		if (round > 0)
			r = fetch_again(a);
		a->differences = 0;
		if (r == 0)
			r = zb_audit(a->ctl->zb, &audit, NULL, &a->ctl->error);
		if (a->differences == 0)
			break;
	}
	if (r == 0 && a->is_short)
		r = -1;
	return r;
}

static const char *meaning_of(unsigned kind)
{
	switch (kind) {
	case ZB_DIFFERENCE_MISSING_HERE:
		return "has a digest and is not listed";
	case ZB_DIFFERENCE_MISSING_THERE:
		return "is listed and has no digest";
	default:
		return "is listed otherwise than it is digested";
	}
}

static void print_json(const struct auditor *a, size_t sets)
{
	json_open(NULL, '{');
	json_number("sets", sets);
	json_open("differences", '[');
	for (size_t i = 0; i < a->differences; i++) {
		json_open(NULL, '{');
		json_number("set_id", a->difference[i].set_id);
		json_string("text", meaning_of(a->difference[i].kind));
		json_close('}');
	}
	json_close(']');
	json_close('}');
	json_end();
}

static void print(const struct auditor *a)
{
	size_t sets = 0;

	for (size_t i = 0; i < a->count; i++)
		sets += a->held[i].set_id != 0;
	if (a->ctl->json) {
		print_json(a, sets);
		return;
	}
	for (size_t i = 0; i < a->differences; i++)
		printf("set %" PRIu64 " %s\n", a->difference[i].set_id, meaning_of(a->difference[i].kind));
	printf("%zu sets are listed; %zu differ from the gateway's digests\n", sets, a->differences);
}

int audit_sets(struct ctl *c)
{
	struct auditor a = {.ctl = c};
	int r = compare(&a);

	if (r == 0)
		print(&a);
	else if (a.is_short)
		fputs("bgfctl: no memory for the gateway's sets\n", stderr);
	else
		ctl_failed(c, r);
	free(a.held);
	free(a.difference);
	return r == 0 && a.differences == 0 ? 0 : 1;
}
