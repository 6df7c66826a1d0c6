/* SPDX-License-Identifier: BSD-2-Clause */
/* What the command line says, checked. Ports read it; only options.c writes. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <crossfuse/session.h>
#include <stdbool.h>
#include <stdint.h>

enum sandbox_mode {
	SANDBOX_NAMESPACE,
	SANDBOX_CHROOT,
	SANDBOX_NONE
};

enum seccomp_mode {
	SECCOMP_NONE,
	SECCOMP_KILL,
	SECCOMP_LOG,
	SECCOMP_TRAP
};

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

/* Of --rlimit-nofile: it was not given. */
#define RLIMIT_NOFILE_DEFAULT UINT64_MAX

struct idmap;
struct xattrmap;

struct options {
	const char *client; /* "virtio:/run/share.sock"; never NULL */
	const char *server; /* "dir:/srv/share"; never NULL */

	/* Architectures. */
	const struct crossfuse_abi *client_abi; /* --client-abi; NULL: detect */
	enum crossfuse_policy policy;		/* --legacy */
	bool no_detect;				/* --no-detect */

	/* The directory. */
	enum sandbox_mode sandbox;
	enum seccomp_mode seccomp;
	enum cache_mode cache;
	bool timeout_given; /* -o timeout=, instead of CACHE's */
	uint64_t timeout;   /* seconds that names and attributes are kept */
	bool readonly;
	bool xattr;
	struct xattrmap *xattrmap; /* --xattrmap; NULL: none */
	enum toggle posix_acl;
	struct idmap *translate_uid; /* --translate-uid; NULL: none */
	struct idmap *translate_gid; /* --translate-gid */
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
	uint64_t rlimit_nofile; /* 0: unchanged; RLIMIT_NOFILE_DEFAULT */
	const char *modcaps;	/* --modcaps; NULL: none */

	enum migration_mode migration_mode;
	enum migration_error migration_on_error;
	bool migration_verify_handles;
	bool migration_confirm_paths;

	const char *trace; /* --trace: a file; NULL: none */
	bool trace_data;   /* --trace-data */

	int log_level; /* enum log_level */
	bool syslog;
};

/*
 * Reads the command line into OPTIONS, whose strings then point into ARGV or
 * last until the program ends. 0; 1 if it asked only for text, which has been
 * printed; -EINVAL, logged in one line, for what is wrong.
 */
int options_parse(struct options *options, int argc, char **argv);

#endif
