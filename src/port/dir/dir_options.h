/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line says of dir:, but for its sandbox. */
#ifndef DIR_OPTIONS_H
#define DIR_OPTIONS_H

#include "../../option.h"
#include <stdbool.h>
#include <stdint.h>

enum cache_mode {
	CACHE_AUTO,
	CACHE_ALWAYS,
	CACHE_METADATA,
	CACHE_NEVER
};

/* --NAME[=never|auto|always] */
enum toggle {
	TOGGLE_NEVER,
	TOGGLE_AUTO, /* where it is possible */
	TOGGLE_ALWAYS
};

/* Positions in a directory, as the client sees them. */
enum dir_offsets {
	DIR_OFFSETS_AUTO, /* the host's, but for a 32-bit client */
	DIR_OFFSETS_HOST,
	DIR_OFFSETS_SMALL /* 31 bits */
};

/* How a file is found again that the client knows and that is not open. */
enum inode_handles {
	HANDLES_PREFER, /* by its file handle, where there are such */
	HANDLES_NEVER,
	HANDLES_MANDATORY
};

/* Of --migration-mode: how the destination finds the files. */
enum migration_mode {
	MIGRATION_FIND_PATHS,
	MIGRATION_FILE_HANDLES
};

/* Of --migration-on-error */
enum migration_error {
	MIGRATION_ABORT,
	MIGRATION_GUEST_ERROR
};

struct idmap;
struct xattrmap;

struct dir_options {
	enum cache_mode cache;
	bool timeout_given; /* -o timeout=, instead of CACHE's */
	uint64_t timeout;   /* seconds that names and attributes are kept */
	bool readonly;
	bool xattr;
	struct xattrmap *xattrmap; /* NULL: none */
	enum toggle posix_acl;
	struct idmap *translate_uid; /* NULL: none */
	struct idmap *translate_gid;
	bool writeback;
	bool allow_direct_io;
	bool allow_mmap;
	bool no_readdirplus;
	enum dir_offsets dir_offsets;
	bool killpriv_v2;
	bool posix_lock;
	bool flock;
	bool preserve_noatime;
	enum toggle security_label;
	bool announce_submounts;
	enum inode_handles inode_file_handles;
	enum migration_mode migration_mode;
	enum migration_error migration_on_error;
	bool migration_verify_handles;
	bool migration_confirm_paths;
};

extern struct dir_options dir_options;
extern const struct option dir_rows[];

/*
 * Decides what was left open, and refuses what does not go together. 0 or
 * -EINVAL, logged.
 */
int dir_options_check(struct dir_options *options);
/* Whether access control lists are kept, as far as the client can. */
bool dir_options_keep_acl(const struct dir_options *options);

#endif
