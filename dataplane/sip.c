/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where SIP parsers differ (bare CR or LF, case of a method, white space before a colon), what any of them
 * may accept is accepted here: a screen that is stricter than the P-CSCF behind it can be walked around.
 */
#include "sip.h"

#include <string.h>
#include <strings.h>

/* A stretch of the message; `at` never passes `end`. */
struct text {
	const uint8_t *at, *end;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_eol(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/* RFC 3261 25.1: token. */
static bool is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != 0 && strchr("-.!%*_+`'~", c) != NULL);
}

static struct text take_token(struct text *t)
{
	struct text token = {t->at, t->at};

	while (t->at < t->end && is_token(*t->at))
		t->at++;
	token.end = t->at;
	return token;
}

/* Linear white space, folds included. */
static void skip_space(struct text *t)
{
	while (t->at < t->end && (is_space(*t->at) || is_eol(*t->at)))
		t->at++;
}

static bool text_is(struct text t, const char *word)
{
	const size_t length = strlen(word);
	return (size_t)(t.end - t.at) == length && strncasecmp((const char *)t.at, word, length) == 0;
}

/* Takes one logical line: up to an end of line that no white space follows (RFC 3261 7.3.1). */
static struct text take_line(struct text *t)
{
	struct text line = {t->at, t->at};

	while (t->at < t->end) {
		line.end = t->at;
		if (!is_eol(*t->at++)) {
			line.end = t->at;
			continue;
		}
		if (t->at[-1] == '\r' && t->at < t->end && *t->at == '\n')
			t->at++;
		/* An empty line ends nothing but itself, whatever follows it. */
		if (line.end == line.at || t->at == t->end || !is_space(*t->at))
			return line;
	}
	return line;
}

/* Whether "SIP/2.0", as a version of any number, begins here. */
static bool is_version(struct text t)
{
	return t.end - t.at >= 5 && strncasecmp((const char *)t.at, "SIP/", 4) == 0 && t.at[4] >= '0' &&
	       t.at[4] <= '9';
}

/* Method, white space, Request-URI, white space, version. */
static enum sip_first start_line(struct text line)
{
	if (is_version(line))
		return SIP_RESPONSE;
	const struct text method = take_token(&line);
	if (method.at == method.end || line.at == line.end || !is_space(*line.at))
		return SIP_UNREADABLE;
	while (line.at < line.end && is_space(*line.at))
		line.at++;
	while (line.at < line.end && !is_space(*line.at))
		line.at++;
	while (line.at < line.end && is_space(*line.at))
		line.at++;
	if (!is_version(line))
		return SIP_UNREADABLE;
	return text_is(method, "REGISTER") ? SIP_REGISTER : SIP_REQUEST;
}

enum sip_first sip_first(const uint8_t *data, size_t length)
{
	struct text message = {data, data + length};

	while (message.at < message.end && is_eol(*message.at))
		message.at++;
	return start_line(take_line(&message));
}

/* A parameter's value: a quoted string, which *ret has without its quotes, or what goes on to a separator. */
static struct text take_value(struct text *t)
{
	struct text value = {t->at, t->at};

	if (t->at == t->end || *t->at != '"') {
		while (t->at < t->end && *t->at != ',' && *t->at != '"' && !is_space(*t->at) &&
		       !is_eol(*t->at))
			t->at++;
		value.end = t->at;
		return value;
	}
	value.at = ++t->at;
	while (t->at < t->end && *t->at != '"') {
		if (*t->at == '\\' && t->end - t->at > 1)
			t->at++;
		t->at++;
	}
	value.end = t->at;
	if (t->at < t->end)
		t->at++;
	return value;
}

/* Credentials (RFC 2617 3.2.2, RFC 3310): a response that is not empty, and no auts that is not. */
static bool has_response_without_auts(struct text value)
{
	bool response = false, auts = false;

	while (value.at < value.end) {
		const struct text name = take_token(&value);
		if (name.at == name.end) {
			/* A separator, or something foreign; a string of its own must not be read as
			 * parameters. */
			if (*value.at == '"')
				take_value(&value);
			else
				value.at++;
			continue;
		}
		skip_space(&value);
		if (value.at == value.end || *value.at != '=')
			continue;
		value.at++;
		skip_space(&value);
		const struct text content = take_value(&value);
		response |= text_is(name, "response") && content.at < content.end;
		auts |= text_is(name, "auts") && content.at < content.end;
	}
	return response && !auts;
}

/* Neither header has a compact form. */
static bool header_answers_challenge(struct text line)
{
	const struct text name = take_token(&line);

	skip_space(&line);
	if (name.at == name.end || line.at == line.end || *line.at != ':')
		return false;
	line.at++;
	if (text_is(name, "Security-Verify"))
		return true;
	return (text_is(name, "Authorization") || text_is(name, "Proxy-Authorization")) &&
	       has_response_without_auts(line);
}

/* All lines count, those behind an empty one too: in a stream a second message may follow the first, and what
 * one parser takes for the end of the headers is not the end for another. */
bool sip_answers_challenge(const uint8_t *data, size_t length)
{
	struct text message = {data, data + length};
	bool registering = false;

	while (message.at < message.end) {
		const struct text line = take_line(&message);
		if (registering && header_answers_challenge(line))
			return true;
		registering |= start_line(line) == SIP_REGISTER;
	}
	return false;
}
