// SPDX-License-Identifier: BSD-2-Clause
#include "decode.h"
#include "../log.h"
#include "../trace_format.h"
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char usage[] =
	"usage: crossfuse decode [OPTION]... [FILE]\n"
	"\n"
	"Shows FUSE messages as text: those of a file that --trace wrote, of "
	"a\n"
	"byte stream, or of hexadecimal text (xxd, hexdump -C, plain digits).\n"
	"Without FILE, or with -, standard input is read.\n"
	"\n"
	"  --abi NAME          whose messages they are (this machine's)\n"
	"  --byte-order ORDER  little or big (found out)\n"
	"  --replies           a stream or text of replies, not of requests\n"
	"  --opcode NAME       what they answer, such as OPEN or 14\n"
	"  --raw, --hex        a byte stream; hexadecimal text (found out)\n"
	"  --only NAME[,...]   leave out all other opcodes\n"
	"  --calls             of a trace: a line for each call, its reply "
	"behind \"=\"\n"
	"  --follow            of a trace: go on with what is written to it\n"
	"  --stat              count opcodes, errors, translated fields; "
	"latencies\n"
	"\n"
	"The status is 1 if anything was wrong with a message.";

void decode_complain(struct decoder *decoder, const char *format, ...)
{
	va_list arguments;

	decoder->faults++;
	va_start(arguments, format);
	fputs("fault: ", decoder->out);
	vfprintf(decoder->out, format, arguments);
	fputc('\n', decoder->out);
	va_end(arguments);
}

void decode_one(struct decoder *decoder, const struct decode_message *message)
{
	char text[DECODE_LINE], fault[256];
	const struct crossfuse_opcode *opcode = decode_opcode(message);
	bool faulty = decode_fault(message, fault, sizeof(fault));

	if (!decode_wanted(decoder, opcode ? opcode->code : message->opcode))
		return;
	decoder->faults += faulty;
	decode_stat_count(decoder->stat, message, faulty);
	if (decoder->stat)
		return;
	decode_text(message, text, sizeof(text));
	fputs(text, decoder->out);
	if (faulty)
		fprintf(decoder->out, " [fault: %s]", fault);
	fputc('\n', decoder->out);
}

static int parse_abi(struct decoder *decoder, const char *word)
{
	decoder->abi = crossfuse_abi_by_name(word);
	if (decoder->abi)
		return 0;
	log_error("--abi=%s: unknown ABI; `crossfuse abi` lists those there "
		  "are",
		  word);
	return -EINVAL;
}

static int parse_order(struct decoder *decoder, const char *word)
{
	if (strcmp(word, "little") == 0) {
		decoder->order = DECODE_LITTLE;
	} else if (strcmp(word, "big") == 0) {
		decoder->order = DECODE_BIG;
	} else {
		log_error("--byte-order=%s: give one of little, big", word);
		return -EINVAL;
	}
	return 0;
}

bool decode_wanted(const struct decoder *decoder, uint32_t opcode)
{
	for (size_t i = 0; i < decoder->only_count; i++)
		if (decoder->only[i] == opcode)
			return true;
	return !decoder->only_count;
}

/* By its name or its number. */
static int find_opcode(const char *option, const char *word,
		       uint32_t *ret_opcode)
{
	const struct crossfuse_opcode *opcode;
	unsigned long number;
	char *end;

	for (size_t i = 0; (opcode = crossfuse_opcode_at(i)); i++) {
		if (strcasecmp(opcode->name, word) == 0) {
			*ret_opcode = opcode->code;
			return 0;
		}
	}
	number = strtoul(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end || number > UINT32_MAX) {
		log_error("%s=%s: give an opcode's name, such as OPEN, or its "
			  "number",
			  option, word);
		return -EINVAL;
	}
	*ret_opcode = (uint32_t)number;
	return 0;
}

static int parse_opcode(struct decoder *decoder, const char *word)
{
	return find_opcode("--opcode", word, &decoder->opcode);
}

static int parse_only(struct decoder *decoder, const char *word)
{
	char name[32];
	int ret = 0;

	while (ret == 0) {
		size_t length = strcspn(word, ",");

		if (decoder->only_count == DECODE_ONLY) {
			log_error("--only: give %d opcodes at most",
				  DECODE_ONLY);
			return -EINVAL;
		}
		snprintf(name, sizeof(name), "%.*s", (int)length, word);
		ret = find_opcode("--only", name,
				  &decoder->only[decoder->only_count]);
		decoder->only_count += ret == 0;
		if (!word[length])
			break;
		word += length + 1;
	}
	return ret;
}

static int parse_form(struct decoder *decoder, const char *word)
{
	if (decoder->form) {
		log_error("--raw and --hex: give one of them");
		return -EINVAL;
	}
	decoder->form = strcmp(word, "--raw") == 0 ? DECODE_RAW : DECODE_HEX;
	return 0;
}

static int set_replies(struct decoder *decoder, const char *word)
{
	(void)word;
	decoder->replies = true;
	return 0;
}

static int set_calls(struct decoder *decoder, const char *word)
{
	(void)word;
	decoder->calls = true;
	return 0;
}

static int set_follow(struct decoder *decoder, const char *word)
{
	(void)word;
	decoder->follow = true;
	return 0;
}

static int set_stat(struct decoder *decoder, const char *word)
{
	(void)word;
	if (!decoder->stat)
		decoder->stat = decode_stat_new();
	if (decoder->stat)
		return 0;
	log_error("--stat: no memory");
	return -ENOMEM;
}

static const struct decode_option {
	const char *name;
	bool takes_word;
	int (*parse)(struct decoder *decoder, const char *word);
} known[] = {
	{ "--abi", true, parse_abi },
	{ "--byte-order", true, parse_order },
	{ "--opcode", true, parse_opcode },
	{ "--replies", false, set_replies },
	{ "--raw", false, parse_form },
	{ "--hex", false, parse_form },
	{ "--only", true, parse_only },
	{ "--calls", false, set_calls },
	{ "--follow", false, set_follow },
	{ "--stat", false, set_stat },
};

static int parse_option(struct decoder *decoder, char **argv, int *index)
{
	const char *word = argv[*index];
	size_t length = strcspn(word, "=");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct decode_option *option = &known[i];

		if (strlen(option->name) != length ||
		    memcmp(option->name, word, length) != 0)
			continue;
		if (!option->takes_word && word[length]) {
			log_error("%s takes no value", option->name);
			return -EINVAL;
		}
		if (!option->takes_word)
			return option->parse(decoder, option->name);
		if (word[length])
			return option->parse(decoder, word + length + 1);
		if (argv[*index + 1])
			return option->parse(decoder, argv[++*index]);
		log_error("%s wants a value", option->name);
		return -EINVAL;
	}
	log_error("unknown option %s: see crossfuse decode --help", word);
	return -EINVAL;
}

/* 1: --help was asked for. */
static int parse(struct decoder *decoder, int argc, char **argv,
		 const char **ret_path)
{
	const char *path = NULL;
	int ret;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return 1;
		if (argv[i][0] == '-' && argv[i][1]) {
			ret = parse_option(decoder, argv, &i);
			if (ret < 0)
				return ret;
		} else if (path) {
			log_error("%s and %s: give one file", path, argv[i]);
			return -EINVAL;
		} else {
			path = argv[i];
		}
	}
	if (decoder->opcode && !decoder->replies) {
		log_error("--opcode is for replies: give --replies too");
		return -EINVAL;
	}
	if (decoder->stat && (decoder->calls || decoder->follow)) {
		log_error("--stat counts, it shows no calls: leave out --calls "
			  "and --follow");
		return -EINVAL;
	}
	*ret_path = path;
	return 0;
}

/* Text has no byte that a message's length, with its zeros, would have. */
static bool looks_like_text(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isprint((unsigned char)bytes[i]) &&
		    !isspace((unsigned char)bytes[i]))
			return false;
	return true;
}

/* The kind of input shows in its first bytes, which are left in INPUT. */
static int decode_input(struct decoder *decoder, FILE *input)
{
	static char buffer[1 << 16];
	char first[8];
	size_t length = 0;
	int c;

	setvbuf(input, buffer, _IOFBF, sizeof(buffer));
	while (length < sizeof(first) && (c = getc(input)) != EOF)
		first[length++] = (char)c;
	if (ferror(input) && errno == EISDIR)
		return -EISDIR;
	if (ferror(input)) {
		log_error("cannot read the input: %m");
		return -EIO;
	}
	/* The C library guarantees one; glibc and musl keep as many as this. */
	for (size_t i = length; i; i--) {
		if (ungetc((unsigned char)first[i - 1], input) == EOF) {
			log_error("cannot look ahead in the input");
			return -EIO;
		}
	}
	if (decoder->form == DECODE_GUESS && length == sizeof(first) &&
	    memcmp(first, TRACE_MAGIC, sizeof(first)) == 0)
		return decode_trace(decoder, input);
	if (decoder->calls || decoder->follow) {
		log_error("--calls and --follow are for a file of --trace: "
			  "leave them out");
		return -EINVAL;
	}
	if (decoder->form == DECODE_GUESS)
		decoder->form = looks_like_text(first, length) ? DECODE_HEX
							       : DECODE_RAW;
	return decoder->form == DECODE_HEX ? decode_hex(decoder, input)
					   : decode_stream(decoder, input);
}

static int decode_file(struct decoder *decoder, const char *path)
{
	FILE *input = stdin;
	int ret;

	if (path && strcmp(path, "-") != 0) {
		input = fopen(path, "re");
		if (!input) {
			log_error("cannot open %s: %m", path);
			return -ENOENT;
		}
	}
	ret = decode_input(decoder, input);
	if (ret == -EISDIR)
		log_error("%s: is a directory: name a file", path);
	if (input != stdin)
		fclose(input);
	if (decoder->stat)
		decode_stat_print(decoder->stat, decoder->out);
	if (fflush(decoder->out) != 0 || ferror(decoder->out)) {
		log_error("cannot write the text: %m");
		ret = -EIO;
	}
	return ret == 0 && decoder->faults ? -EBADMSG : ret;
}

int decode_command(int argc, char **argv)
{
	struct decoder decoder = { .out = stdout };
	const char *path = NULL;
	int ret = parse(&decoder, argc, argv, &path);

	/* As `crossfuse decode FILE | head` expects it. */
	signal(SIGPIPE, SIG_DFL);
	if (ret == 0)
		ret = decode_file(&decoder, path);
	else if (ret > 0)
		puts(usage);
	decode_stat_free(decoder.stat);
	return ret;
}
