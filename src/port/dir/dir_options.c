// SPDX-License-Identifier: BSD-2-Clause
#include "dir_options.h"
#include "../../log.h"
#include "idmap.h"
#include "xattrmap.h"
#include <errno.h>

static const struct option_choice caches[] = {
	{ "auto", CACHE_AUTO },
	{ "always", CACHE_ALWAYS },
	{ "metadata", CACHE_METADATA },
	{ "never", CACHE_NEVER },
	{ "none", CACHE_NEVER }, /* its older name in virtiofsd */
	{ NULL, 0 },
};

static const struct option_choice toggles[] = {
	{ "never", TOGGLE_NEVER },
	{ "auto", TOGGLE_AUTO },
	{ "always", TOGGLE_ALWAYS },
	{ NULL, 0 },
};

static const struct option_choice offsets[] = {
	{ "auto", DIR_OFFSETS_AUTO },
	{ "host", DIR_OFFSETS_HOST },
	{ "small", DIR_OFFSETS_SMALL },
	{ NULL, 0 },
};

static const struct option_choice handles[] = {
	{ "prefer", HANDLES_PREFER },
	{ "never", HANDLES_NEVER },
	{ "mandatory", HANDLES_MANDATORY },
	{ "fallback", HANDLES_PREFER }, /* its older name in virtiofsd */
	{ NULL, 0 },
};

static const struct option_choice migration_modes[] = {
	{ "find-paths", MIGRATION_FIND_PATHS },
	{ "file-handles", MIGRATION_FILE_HANDLES },
	{ NULL, 0 },
};

static const struct option_choice migration_errors[] = {
	{ "abort", MIGRATION_ABORT },
	{ "guest-error", MIGRATION_GUEST_ERROR },
	{ NULL, 0 },
};

struct dir_options dir_options = {
	.xattr = true,
	.posix_acl = TOGGLE_AUTO,
	.announce_submounts = true,
	.killpriv_v2 = true,
};

#define AT(member) (&dir_options.member)

/* The last one counts, as of all options. */
static int parse_xattrmap(const struct option *option, const char *word)
{
	struct xattrmap *map;
	int ret = xattrmap_parse(word, &map);

	(void)option;
	if (ret < 0)
		return ret;
	xattrmap_free(dir_options.xattrmap);
	dir_options.xattrmap = map;
	return 0;
}

/* Each rule is one more. */
static int parse_idmap(const struct option *option, const char *word)
{
	return idmap_add(option->value, option->name, word);
}

static int parse_timeout(const struct option *option, const char *word)
{
	const struct option number = { .name = option->name,
				       .type = OPTION_NUMBER,
				       .value = option->value };

	dir_options.timeout_given = true;
	return option_apply(&number, word);
}

const struct option dir_rows[] = {
	OPTION("shared-dir", ARGUMENT, NULL, "DIR",
	       "the same as the server dir:DIR"),
	OPTION("source", ARGUMENT, NULL, "DIR", NULL),
	OPTION("readonly", SET, AT(readonly), NULL,
	       "let the client change nothing"),
	OPTION("cache", CHOICE, AT(cache), "MODE",
	       "what the client may keep: auto (default), always, metadata, "
	       "never",
	       .choices = caches),
	OPTION("writeback", SET, AT(writeback), NULL,
	       "let the client collect writes"),
	OPTION("allow-direct-io", SET, AT(allow_direct_io), NULL,
	       "the client's O_DIRECT bypasses this machine's page cache too"),
	OPTION("allow-mmap", SET, AT(allow_mmap), NULL,
	       "shared mappings with --cache never and metadata"),
	OPTION("no-readdirplus", SET, AT(no_readdirplus), NULL,
	       "list names without attributes"),
	OPTION("dir-offsets", CHOICE, AT(dir_offsets), "MODE",
	       "telldir() positions: auto (default), host, small (31 bits)",
	       .choices = offsets),
	OPTION("xattr", SET, AT(xattr), NULL, "extended attributes (default)"),
	OPTION("no-xattr", CLEAR, AT(xattr), NULL, "no extended attributes"),
	OPTION("xattrmap", PARSED, AT(xattrmap), "RULES",
	       "other names for them, such as :map:trusted.:user.virtiofs.:",
	       .parse = parse_xattrmap),
	OPTION("posix-acl", CHOICE, AT(posix_acl), "WHEN",
	       "POSIX access control lists: never, auto (default), always",
	       .choices = toggles, .left_out = "always"),
	OPTION("no-posix-acl", FIXED, AT(posix_acl), NULL,
	       "no access control lists", .fixed = TOGGLE_NEVER),
	OPTION("translate-uid", PARSED, AT(translate_uid), "RULE",
	       "other user numbers here, such as map:0:100000:65536; "
	       "repeatable",
	       .parse = parse_idmap),
	OPTION("translate-gid", PARSED, AT(translate_gid), "RULE",
	       "the same for groups", .parse = parse_idmap),
	OPTION("killpriv-v2", SET, AT(killpriv_v2), NULL,
	       "clear set-user-ID bits here, not in the client (default)"),
	OPTION("no-killpriv-v2", CLEAR, AT(killpriv_v2), NULL,
	       "leave set-user-ID bits to the client"),
	OPTION("posix-lock", SET, AT(posix_lock), NULL,
	       "fcntl() locks also against other clients and here"),
	OPTION("no-posix-lock", CLEAR, AT(posix_lock), NULL,
	       "fcntl() locks within the client only (default)"),
	OPTION("flock", SET, AT(flock), NULL,
	       "flock() also against other clients and here"),
	OPTION("no-flock", CLEAR, AT(flock), NULL,
	       "flock() within the client only (default)"),
	OPTION("security-label", CHOICE, AT(security_label), "WHEN",
	       "the client's security context of new files: never (default), "
	       "auto, always",
	       .choices = toggles, .left_out = "always"),
	OPTION("announce-submounts", SET, AT(announce_submounts), NULL,
	       "show file systems mounted in the directory as such (default)"),
	OPTION("no-announce-submounts", CLEAR, AT(announce_submounts), NULL,
	       "let the directory be one file system"),
	OPTION("inode-file-handles", CHOICE, AT(inode_file_handles), "MODE",
	       "find known files by handle: prefer (default), never, mandatory",
	       .choices = handles),
	OPTION("preserve-noatime", SET, AT(preserve_noatime), NULL,
	       "keep O_NOATIME even where that may fail"),
	OPTION("migration-mode", CHOICE, AT(migration_mode), "MODE",
	       "how files move with a guest: find-paths (default), "
	       "file-handles",
	       .choices = migration_modes),
	OPTION("migration-on-error", CHOICE, AT(migration_on_error), "ACTION",
	       "for a file that is not found: abort (default), guest-error",
	       .choices = migration_errors),
	OPTION("migration-verify-handles", SET, AT(migration_verify_handles),
	       NULL, "check that they are the same files"),
	OPTION("migration-confirm-paths", SET, AT(migration_confirm_paths),
	       NULL, "check at its end that they still have their names"),
	/* Other spellings of virtiofsd's and libfuse's. */
	OPTION("timeout", PARSED, AT(timeout), "SECONDS", NULL,
	       .parse = parse_timeout),
	OPTION("no-writeback", CLEAR, AT(writeback), NULL, NULL),
	OPTION("no-allow-direct-io", CLEAR, AT(allow_direct_io), NULL, NULL),
	OPTION("readdirplus", CLEAR, AT(no_readdirplus), NULL, NULL),
	OPTION("no-security-label", FIXED, AT(security_label), NULL, NULL,
	       .fixed = TOGGLE_NEVER),
	{ 0 },
};

bool dir_options_keep_acl(const struct dir_options *options)
{
	return options->posix_acl && options->xattr &&
	       xattrmap_keeps(options->xattrmap, "system.posix_acl_access") &&
	       xattrmap_keeps(options->xattrmap, "system.posix_acl_default");
}

int dir_options_check(struct dir_options *options)
{
	if (options->translate_uid || options->translate_gid) {
		if (options->posix_acl == TOGGLE_ALWAYS) {
			log_error("--posix-acl=always and --translate-*: the "
				  "numbers in access control lists are not "
				  "translated: leave one of them out");
			return -EINVAL;
		}
		options->posix_acl = TOGGLE_NEVER;
	}
	if (options->posix_acl == TOGGLE_ALWAYS &&
	    !dir_options_keep_acl(options)) {
		log_error("--posix-acl=always: --no-xattr and --xattrmap leave "
			  "no way for the names system.posix_acl_*: leave one "
			  "of them out");
		return -EINVAL;
	}
	return 0;
}
