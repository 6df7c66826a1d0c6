// SPDX-License-Identifier: BSD-2-Clause
/* A file that --trace wrote; docs/trace.md describes it. */
#include "../log.h"
#include "../trace_format.h"
#include "decode.h"
#include "decode_call.h"
#include <crossfuse/session.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A record in memory of its own. */
struct piece {
	struct trace_record record; /* in this machine's byte order */
	uint8_t *bytes;
	bool cut;
	bool held; /* read, and not shown yet */
};

struct reader {
	struct decoder *decoder;
	FILE *input;
	bool swapped; /* the file is not in this machine's byte order */
	const struct crossfuse_abi *machine;
	const struct crossfuse_abi *server;
	const struct crossfuse_abi *client; /* NULL: not known */
	struct piece pieces[2];
	struct decode_calls *calls;
	struct decode_seen seen; /* of the message at hand */
	bool taken;		 /* SEEN is of both forms of it */
	unsigned long long count;
};

/* How often a file that is followed is looked at. */
#define FOLLOW_NSEC 100000000

static void swap_record(struct trace_record *record)
{
	record->record_len = __builtin_bswap32(record->record_len);
	record->time = __builtin_bswap64(record->time);
	record->opcode = __builtin_bswap32(record->opcode);
	record->error = __builtin_bswap32(record->error);
	record->length = __builtin_bswap32(record->length);
	record->captured = __builtin_bswap32(record->captured);
}

/* An ABI's name, which may be anything in a file. NULL: none is known. */
static const struct crossfuse_abi *abi_of(struct decoder *decoder,
					  const void *bytes, size_t length,
					  const char *side)
{
	char name[TRACE_NAME + 1] = "";
	const struct crossfuse_abi *abi;

	if (length > TRACE_NAME)
		length = TRACE_NAME;
	memcpy(name, bytes, length);
	if (!name[0])
		return NULL;
	abi = crossfuse_abi_by_name(name);
	if (abi)
		return abi;
	for (char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '?';
	decode_complain(decoder, "the %s's ABI \"%s\" is not known", side,
			name);
	return NULL;
}

static const struct crossfuse_abi *client_abi(const struct reader *reader)
{
	if (reader->client)
		return reader->client;
	return reader->decoder->abi ? reader->decoder->abi : reader->server;
}

static struct decode_message message_of(const struct reader *reader,
					const struct piece *piece)
{
	const struct trace_record *record = &piece->record;
	bool swapped = record->flags & TRACE_SWAPPED;

	return (struct decode_message){
		.bytes = piece->bytes,
		.captured = record->captured,
		.length = record->length,
		.abi = record->side == TRACE_CLIENT ? client_abi(reader)
						    : reader->server,
		.swapped = swapped != reader->swapped,
		.reply = record->type != TRACE_REQUEST,
		.cut = piece->cut,
		.opcode = record->opcode,
	};
}

static void put_time(FILE *out, uint64_t nanoseconds)
{
	uint64_t micros = nanoseconds / 1000;

	fprintf(out, "%5" PRIu64 ".%06" PRIu64 " ", micros / 1000000,
		micros % 1000000);
}

static void put_latency(const struct reader *reader, uint64_t time)
{
	uint64_t nanos = time - reader->seen.since;

	if (reader->seen.answers && time >= reader->seen.since)
		fprintf(reader->decoder->out, " <%" PRIu64 ".%06" PRIu64 ">",
			nanos / 1000000000, nanos / 1000 % 1000000);
}

/* TEXT, with the node's path behind its number. */
static void put_text(const struct reader *reader, const char *text)
{
	const char *at = reader->seen.path[0] ? strstr(text, " nodeid=") : NULL;
	FILE *out = reader->decoder->out;

	if (!at) {
		fputs(text, out);
		return;
	}
	at += strcspn(at + 1, " ") + 1;
	fprintf(out, "%.*s<%s>%s", (int)(at - text), text, reader->seen.path,
		at);
}

/* Takes a message of the client, before anything is shown of it. */
static void take_seen(struct reader *reader,
		      const struct decode_message *message, uint64_t time)
{
	struct decode_seen *seen = &reader->seen;

	decode_calls_take(reader->calls, message, time, seen);
	if (seen->answers && time >= seen->since &&
	    decode_wanted(reader->decoder, message->opcode))
		decode_stat_latency(reader->decoder->stat, message->opcode,
				    time - seen->since);
}

static void drop_seen(struct reader *reader)
{
	free(reader->seen.request);
	reader->seen = (struct decode_seen){ 0 };
}

static void put_start(FILE *out, const struct trace_record *record,
		      const char *side)
{
	put_time(out, record->time);
	fprintf(out, "%s %c ", side, record->type == TRACE_REQUEST ? '>' : '<');
}

/* Without " unique=N", which says nothing beside its reply. */
static void cut_unique(char *text)
{
	char *at = strstr(text, " unique=");

	if (at)
		memmove(at, at + 1 + strcspn(at + 1, " "),
			strlen(at + 1 + strcspn(at + 1, " ")) + 1);
}

/* What a reply says, without what its request has said. */
static const char *reply_of(char *text)
{
	char *at;

	cut_unique(text);
	at = text + strcspn(text, " "); /* "reply" */
	at += strspn(at, " ");
	at += strcspn(at, " "); /* its opcode */
	at += strspn(at, " ");
	if (strncmp(at, "error=", 6) == 0)
		return at + 6;
	return *at ? at : "0";
}

static void put_call_start(struct reader *reader, uint64_t since,
			   const char *request)
{
	put_time(reader->decoder->out, since);
	fputs(request, reader->decoder->out);
}

static void put_unanswered(void *opaque, uint64_t since, const char *text)
{
	struct reader *reader = opaque;

	put_call_start(reader, since, text);
	fputs(" = ?\n", reader->decoder->out);
}

/* A request waits for its reply; TEXT is changed. False: it is neither. */
static bool show_call(struct reader *reader, const struct trace_record *record,
		      char *text)
{
	struct decode_seen *seen = &reader->seen;
	FILE *out = reader->decoder->out;
	char line[DECODE_LINE + sizeof(seen->path)];
	const char *at;

	if (record->type == TRACE_REQUEST) {
		cut_unique(text);
		at = seen->path[0] ? strstr(text, " nodeid=") : NULL;
		if (at)
			at += strcspn(at + 1, " ") + 1;
		else
			at = text + strlen(text);
		snprintf(line, sizeof(line), "%.*s%s%s%s%s", (int)(at - text),
			 text, seen->path[0] ? "<" : "", seen->path,
			 seen->path[0] ? ">" : "", at);
		if (crossfuse_opcode_has_reply(record->opcode)) {
			decode_calls_keep(reader->calls, line);
		} else {
			put_call_start(reader, record->time, line);
			fputc('\n', out);
		}
		return true;
	}
	if (record->type != TRACE_REPLY || !seen->request)
		return false;
	put_call_start(reader, seen->since, seen->request);
	fprintf(out, " = %s", reply_of(text));
	put_latency(reader, record->time);
	return true;
}

static void put_notes(const struct reader *reader,
		      const struct trace_record *record)
{
	FILE *out = reader->decoder->out;
	const char *name;

	if (record->flags & TRACE_REFUSED) {
		name = record->error < 4096
			       ? crossfuse_errno_name(reader->machine,
						      (int32_t)record->error)
			       : NULL;
		if (name)
			fprintf(out, " [refused: %s]", name);
		else
			fprintf(out, " [refused: %" PRIu32 "]", record->error);
	}
	if (record->flags & TRACE_OWN)
		fputs(" [by crossfuse]", out);
}

static void show_piece(struct reader *reader, const struct piece *piece)
{
	struct decoder *decoder = reader->decoder;
	const struct trace_record *record = &piece->record;
	struct decode_message message = message_of(reader, piece);
	char text[DECODE_LINE], fault[256];
	bool faulty = decode_fault(&message, fault, sizeof(fault));

	if (record->side == TRACE_CLIENT && !reader->taken)
		take_seen(reader, &message, record->time);
	if (!decode_wanted(decoder, record->opcode))
		return;
	decoder->faults += faulty;
	/* One form counts; the server's shows in decode_stat_pair(). */
	if (record->side == TRACE_CLIENT || record->flags & TRACE_REFUSED)
		decode_stat_count(decoder->stat, &message, faulty);
	if (record->flags & TRACE_REFUSED)
		decode_stat_refused(decoder->stat, &message);
	if (decoder->stat)
		return;
	decode_text(&message, text, sizeof(text));
	if (decoder->calls && !faulty) {
		/* A call has one line, in the client's form. */
		if (record->side == TRACE_SERVER)
			return;
		if (show_call(reader, record, text)) {
			if (record->type == TRACE_REQUEST)
				return;
			put_notes(reader, record);
			fputc('\n', decoder->out);
			return;
		}
	}
	put_start(decoder->out, record,
		  record->side == TRACE_CLIENT ? "client" : "server");
	put_text(reader, text);
	put_notes(reader, record);
	if (record->type == TRACE_REPLY)
		put_latency(reader, record->time);
	if (faulty)
		fprintf(decoder->out, " [fault: %s]", fault);
	fputc('\n', decoder->out);
}

static void put_difference(void *opaque, const char *field, uint64_t client,
			   uint64_t server)
{
	fprintf(opaque, " [%s 0x%" PRIx64 " | 0x%" PRIx64 "]", field, client,
		server);
}

/* Both forms mean the same: one line for both. */
static bool show_both(struct reader *reader, const struct piece *first,
		      const struct decode_message *client,
		      const struct decode_message *server)
{
	struct decoder *decoder = reader->decoder;
	char text[DECODE_LINE], other[DECODE_LINE], fault[256];
	struct decode_message part = *client;

	if (decode_fault(client, fault, sizeof(fault)) ||
	    decode_fault(server, fault, sizeof(fault)))
		return false;
	/* Data is recorded on one side only, which is no difference. */
	if (part.captured > server->captured)
		part.captured = server->captured;
	decode_text(&part, text, sizeof(text));
	decode_text(server, other, sizeof(other));
	if (!decode_same_text(text, other))
		return false;
	decode_text(client, text, sizeof(text));
	if (decoder->calls && show_call(reader, &first->record, text)) {
		if (first->record.type == TRACE_REPLY)
			fputc('\n', decoder->out);
		return true;
	}
	put_start(decoder->out, &first->record, "both  ");
	put_text(reader, text);
	decode_compare(client, server, put_difference, decoder->out);
	if (first->record.type == TRACE_REPLY)
		put_latency(reader, first->record.time);
	fputc('\n', decoder->out);
	return true;
}

static bool is_message(const struct trace_record *record)
{
	return record->type == TRACE_REQUEST || record->type == TRACE_REPLY ||
	       record->type == TRACE_NOTIFY;
}

static bool is_pair(const struct piece *a, const struct piece *b)
{
	return a->held && b->held && a->record.type == b->record.type &&
	       a->record.side != b->record.side &&
	       a->record.time == b->record.time &&
	       a->record.opcode == b->record.opcode &&
	       !((a->record.flags | b->record.flags) &
		 (TRACE_REFUSED | TRACE_OWN));
}

static void show_held(struct reader *reader, struct piece *a, struct piece *b)
{
	struct decode_message client, server;

	if (is_pair(a, b)) {
		client = message_of(reader,
				    a->record.side == TRACE_CLIENT ? a : b);
		server = message_of(reader,
				    a->record.side == TRACE_CLIENT ? b : a);
		take_seen(reader, &client, a->record.time);
		reader->taken = true;
		if (decode_wanted(reader->decoder, a->record.opcode))
			decode_stat_pair(reader->decoder->stat, &client,
					 &server);
		if (reader->decoder->stat ||
		    !decode_wanted(reader->decoder, a->record.opcode) ||
		    !show_both(reader, a, &client, &server)) {
			show_piece(reader, a);
			show_piece(reader, b);
		}
		a->held = b->held = reader->taken = false;
		drop_seen(reader);
		return;
	}
	if (a->held)
		show_piece(reader, a);
	drop_seen(reader);
	a->held = false;
}

/* Whatever is held back is shown. */
static void show_all(struct reader *reader)
{
	show_held(reader, &reader->pieces[0], &reader->pieces[1]);
	show_held(reader, &reader->pieces[1], &reader->pieces[0]);
}

static void take_message(struct reader *reader)
{
	struct piece *first = &reader->pieces[0], *last = &reader->pieces[1];
	struct piece turn;

	show_held(reader, first, last);
	if (!last->held)
		return;
	/* Perhaps the first of two. */
	turn = *first;
	*first = *last;
	*last = turn;
}

static void take_abi(struct reader *reader, const struct piece *piece)
{
	const struct crossfuse_abi *abi =
		abi_of(reader->decoder, piece->bytes, piece->record.captured,
		       piece->record.side ? "server" : "client");

	if (piece->record.side == TRACE_SERVER)
		reader->server = abi ? abi : reader->machine;
	else
		reader->client = abi;
	if (!reader->decoder->stat)
		fprintf(reader->decoder->out, "# %s: ABI %s\n",
			piece->record.side ? "server" : "client",
			abi ? crossfuse_abi_name(abi) : "not known");
}

static void take_reset(struct reader *reader)
{
	if (reader->decoder->calls)
		decode_calls_rest(reader->calls, put_unanswered, reader);
	decode_calls_forget(reader->calls);
	if (!reader->decoder->stat)
		fputs("# the client is gone or was reset\n",
		      reader->decoder->out);
}

static void take_record(struct reader *reader, struct piece *piece)
{
	reader->count++;
	if (is_message(&piece->record) && piece->record.side <= TRACE_SERVER) {
		piece->held = true;
		take_message(reader);
		return;
	}
	show_all(reader);
	if (piece->record.type == TRACE_ABI &&
	    piece->record.side <= TRACE_SERVER)
		take_abi(reader, piece);
	else if (piece->record.type != TRACE_RESET)
		decode_complain(reader->decoder,
				"record %llu is of unknown type %u, side %u",
				reader->count, piece->record.type,
				piece->record.side);
	else
		take_reset(reader);
}

/* Negative: nothing behind this can be read. */
static int check_record(struct reader *reader,
			const struct trace_record *record)
{
	size_t need = sizeof(*record) + (size_t)record->captured;

	if (record->captured <= TRACE_CAPTURE_MAX &&
	    record->captured <= record->length &&
	    record->record_len % TRACE_ALIGN == 0 &&
	    record->record_len >= need &&
	    record->record_len - need < TRACE_ALIGN)
		return 0;
	show_all(reader);
	decode_complain(reader->decoder,
			"record %llu has impossible lengths (%" PRIu32
			" bytes with %" PRIu32 " of a message of %" PRIu32
			"): what follows is left out",
			reader->count + 1, record->record_len, record->captured,
			record->length);
	return -EBADMSG;
}

/*
 * As fread(), of bytes. Of a file that is followed the end is not the end: what
 * is held is shown, unless its other half is just being written.
 */
static size_t get(struct reader *reader, void *buf, size_t len)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_NSEC };
	size_t got = fread(buf, 1, len, reader->input);
	bool waited = false;

	while (got < len && reader->decoder->follow && !ferror(reader->input)) {
		if (waited && !got)
			show_all(reader);
		fflush(reader->decoder->out);
		nanosleep(&pause, NULL);
		waited = true;
		clearerr(reader->input);
		got += fread((char *)buf + got, 1, len - got, reader->input);
	}
	return got;
}

/* 1: a record; 0: the end. */
static int read_record(struct reader *reader, struct piece *piece)
{
	struct trace_record *record = &piece->record;
	size_t got = get(reader, record, sizeof(*record));
	char padding[TRACE_ALIGN];

	if (!got)
		return 0;
	if (got < sizeof(*record)) {
		show_all(reader);
		decode_complain(reader->decoder,
				"the file ends within record %llu",
				reader->count + 1);
		return 0;
	}
	if (reader->swapped)
		swap_record(record);
	if (check_record(reader, record) < 0)
		return 0;
	got = get(reader, piece->bytes, record->captured);
	get(reader, padding,
	    record->record_len - sizeof(*record) - record->captured);
	piece->cut = got < record->captured;
	record->captured = (uint32_t)got;
	return 1;
}

static void put_title(struct reader *reader, uint64_t start, bool with_data)
{
	time_t seconds = (time_t)(start / 1000000000);
	char when[64] = "an unknown time";
	struct tm tm;

	if (reader->decoder->stat)
		return;
	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(reader->decoder->out,
		"# trace from %s on; crossfuse on %s, server: ABI %s%s\n", when,
		crossfuse_abi_name(reader->machine),
		crossfuse_abi_name(reader->server),
		with_data ? ", with data" : "");
}

static int read_header(struct reader *reader)
{
	struct decoder *decoder = reader->decoder;
	struct trace_header header;
	unsigned int more;

	if (fread(&header, sizeof(header), 1, reader->input) != 1) {
		decode_complain(decoder, "the file ends within its header");
		return -EBADMSG;
	}
	reader->swapped = header.order != TRACE_ORDER;
	if (reader->swapped) {
		header.order = __builtin_bswap32(header.order);
		header.version = __builtin_bswap16(header.version);
		header.header_len = __builtin_bswap16(header.header_len);
		header.flags = __builtin_bswap32(header.flags);
		header.start = __builtin_bswap64(header.start);
	}
	if (header.order != TRACE_ORDER || header.version != TRACE_VERSION ||
	    header.header_len < sizeof(header)) {
		decode_complain(decoder,
				"this is no trace of version %u: its version "
				"is %u, the length of its header %u",
				TRACE_VERSION, header.version,
				header.header_len);
		return -EBADMSG;
	}
	more = header.header_len - (unsigned int)sizeof(header);
	while (more-- && getc(reader->input) != EOF)
		continue;
	reader->machine =
		abi_of(decoder, header.machine, TRACE_NAME, "machine");
	if (!reader->machine)
		reader->machine = crossfuse_abi_native();
	reader->server = abi_of(decoder, header.server, TRACE_NAME, "server");
	if (!reader->server)
		reader->server = reader->machine;
	put_title(reader, header.start, header.flags & TRACE_WITH_DATA);
	return 0;
}

int decode_trace(struct decoder *decoder, FILE *input)
{
	struct reader reader = { .decoder = decoder, .input = input };
	int ret = 0;

	if (read_header(&reader) < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		reader.pieces[i].bytes = malloc(TRACE_CAPTURE_MAX);
		if (!reader.pieces[i].bytes)
			ret = -ENOMEM;
	}
	reader.calls = decode_calls_new();
	if (!reader.calls)
		ret = -ENOMEM;
	while (ret == 0 && read_record(&reader, &reader.pieces[1]) > 0)
		take_record(&reader, &reader.pieces[1]);
	if (ret == 0)
		show_all(&reader);
	if (ret == 0 && decoder->calls)
		decode_calls_rest(reader.calls, put_unanswered, &reader);
	decode_calls_free(reader.calls);
	if (ret == 0 && ferror(input))
		ret = -EIO;
	if (ret < 0)
		log_error("cannot read the input: %s", strerror(-ret));
	free(reader.pieces[0].bytes);
	free(reader.pieces[1].bytes);
	return ret;
}
