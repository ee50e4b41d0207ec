/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The texts of the vocabulary's numbers, out of the lists that define them.
 */
#include <stddef.h>

#include "bgf_drop.h"
#include "bgf_sa.h"

#define CASE_TEXT(name, number, text) \
	case (number):                \
		return text;

const char *bgf_alg_text(unsigned alg)
{
	switch (alg) {
		BGF_ALG_LIST(CASE_TEXT)
	}
	return "?";
}

const char *bgf_ealg_text(unsigned ealg)
{
	switch (ealg) {
		BGF_EALG_LIST(CASE_TEXT)
	}
	return "?";
}

const char *bgf_mod_text(unsigned mod)
{
	switch (mod) {
		BGF_MOD_LIST(CASE_TEXT)
	}
	return "?";
}

const char *bgf_set_state_text(unsigned state)
{
	switch (state) {
		BGF_SET_STATE_LIST(CASE_TEXT)
	}
	return "?";
}

const char *bgf_removed_text(unsigned why)
{
	switch (why) {
		BGF_REMOVED_LIST(CASE_TEXT)
	}
	return "?";
}

static const struct {
	const char *name, *text;
	enum bgf_drop_scope scope;
} drops[BGF_DROP_COUNT] = {
#define DROP_ROW(NAME, name, scope, text) [BGF_DROP_##NAME] = {#name, text, BGF_DROP_##scope},
	BGF_DROP_LIST(DROP_ROW)
#undef DROP_ROW
};

const char *bgf_drop_name(unsigned reason)
{
	return reason < BGF_DROP_COUNT ? drops[reason].name : NULL;
}

const char *bgf_drop_text(unsigned reason)
{
	return reason < BGF_DROP_COUNT ? drops[reason].text : NULL;
}

enum bgf_drop_scope bgf_drop_scope(unsigned reason)
{
	return reason < BGF_DROP_COUNT ? drops[reason].scope : BGF_DROP_PORT;
}
