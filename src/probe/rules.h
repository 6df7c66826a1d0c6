/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of docs/protocol.md that a client can see from outside, in the
 * order in which they are printed: name, section (with a word where one has
 * several), when it is looked at, how binding it is, and what must hold.
 */
#ifndef PROBE_RULES_H
#define PROBE_RULES_H

/*
 * ONCE: once for each architecture. FORM: in client form, and in canonical
 * form again if that is negotiated. LATE: the same, after all else, because
 * some servers do not survive it.
 */
#define PROBE_RULES(RULE)                                                      \
	RULE(INIT_ORDER, "2.2", ONCE, MUST,                                    \
	     "FUSE_INIT in the client's byte order is understood")             \
	RULE(INIT_LENGTH, "2.3", ONCE, MUST,                                   \
	     "FUSE_INIT with a wrong length field is refused")                 \
	RULE(INIT_AGAIN, "2.4", ONCE, MUST,                                    \
	     "a later FUSE_INIT in the other byte order starts over")          \
	RULE(INIT_16, "3.1/16", ONCE, MUST, "FUSE_INIT of 16 bytes is taken")  \
	RULE(INIT_20, "3.1/20", ONCE, MUST, "FUSE_INIT of 20 bytes is taken")  \
	RULE(INIT_24, "3.1/24", ONCE, MUST,                                    \
	     "FUSE_INIT of 24 bytes is taken, with an offer in it")            \
	RULE(INIT_80, "3.1/80", ONCE, MUST, "FUSE_INIT of 80 bytes is taken")  \
	RULE(INIT_REPLY, "3.1/reply", ONCE, MUST,                              \
	     "the reply to FUSE_INIT has 8, 24 or 64 bytes, and major 7")      \
	RULE(BIT_EXT, "3.2/ext", ONCE, MUST,                                   \
	     "an offer without FUSE_INIT_EXT is not answered")                 \
	RULE(BIT_ARCH, "3.2/arch", ONCE, MUST,                                 \
	     "an offer with arch_id 0 is not answered")                        \
	RULE(BIT_40, "3.2/40", ONCE, MUST, "bit 40 is no offer at minor 41")   \
	RULE(BIT_FREE, "3.2/free", ONCE, MUST,                                 \
	     "bits 44 to 61 and 63 change nothing")                            \
	RULE(ANSWER_NONE, "3.3.2/none", ONCE, MUST,                            \
	     "a client that says nothing gets no answer")                      \
	RULE(ANSWER_ARCH, "3.3.2/arch", ONCE, MUST,                            \
	     "arch_id without an offer gets no answer")                        \
	RULE(ANSWER_OLD, "3.3.3/40", ONCE, MUST,                               \
	     "at minor 40 the answer is bit 40, with FUSE_INIT_EXT")           \
	RULE(ANSWER_EARLY, "3.3.3/early", ONCE, MUST,                          \
	     "at minor 40 an offer by bit 62 is answered by bit 62 alone")     \
	RULE(ANSWER_NEW, "3.3.3/62", ONCE, MUST,                               \
	     "at minor 41 the answer is bit 62, with FUSE_INIT_EXT")           \
	RULE(ANSWER_MEANS, "3.3.5", ONCE, MUST,                                \
	     "after an answer errors are canonical")                           \
	RULE(ANSWER_SAME, "3.3.3/same", ONCE, SHOULD,                          \
	     "a client of the server's own architecture is not answered")      \
	RULE(MAJOR_NEW, "3.3.8/8", ONCE, MUST,                                 \
	     "major 8 is answered with 7, and FUSE_INIT may follow")           \
	RULE(MAJOR_ZERO, "3.3.8/0", ONCE, MUST, "major 0 is refused")          \
	RULE(MINOR_HUGE, "3.3.8/minor", ONCE, MUST,                            \
	     "a minor above 65535 is refused")                                 \
	RULE(CASE_OTHER, "3.4/other", ONCE, MUST,                              \
	     "the offer of another architecture is answered")                  \
	RULE(CASE_UNKNOWN, "3.4/unknown", ONCE, MUST,                          \
	     "the offer of an unknown architecture is answered")               \
	RULE(CASE_SILENT, "3.4/silent", ONCE, MUST,                            \
	     "an unknown arch_id without an offer is refused, or unanswered")  \
	RULE(LEGACY, "8", ONCE, SHOULD,                                        \
	     "a client that says nothing is understood by its requests")       \
	RULE(FORGETS, "9", ONCE, MUST,                                         \
	     "a later FUSE_INIT ends what was negotiated")                     \
	RULE(ORDER, "2.1", FORM, MUST,                                         \
	     "replies are in the client's byte order")                         \
	RULE(DATA, "2.5/data", FORM, MUST, "the data of a file are untouched") \
	RULE(NAMES, "2.5/names", FORM, MUST,                                   \
	     "names and the targets of links are untouched")                   \
	RULE(XATTR_VALUE, "2.5/xattr", FORM, MUST,                             \
	     "the values of extended attributes are untouched")                \
	RULE(BAD_LENGTH, "4/length", LATE, MUST,                               \
	     "a request with a wrong length field is refused")                 \
	RULE(BAD_SHORT, "4/short", LATE, MUST,                                 \
	     "a request that is cut short is refused")                         \
	RULE(BAD_LONG, "4/long", LATE, MUST,                                   \
	     "a request with bytes behind its end is refused")                 \
	RULE(BAD_NAME, "4/name", LATE, MUST,                                   \
	     "a name without its NUL is refused")                              \
	RULE(BAD_COUNT, "4/count", LATE, MUST,                                 \
	     "a count beyond the end of a request is refused")                 \
	RULE(BAD_EXTENSION, "4/extension", LATE, MUST,                         \
	     "an extension header beyond the end is refused")                  \
	RULE(UNKNOWN_BIT, "5", FORM, MUST,                                     \
	     "an unknown bit is not taken for another one")                    \
	RULE(O_ACCMODE_HOLDS, "5.1/accmode", FORM, MUST,                       \
	     "the access mode of an open holds")                               \
	RULE(O_CREAT_HOLDS, "5.1/creat", FORM, MUST,                           \
	     "CREATE with O_CREAT alone opens and keeps an old file")          \
	RULE(O_EXCL_HOLDS, "5.1/excl", FORM, MUST,                             \
	     "CREATE with O_EXCL of an old file fails with EEXIST")            \
	RULE(O_TRUNC_HOLDS, "5.1/trunc", FORM, MUST,                           \
	     "OPEN with O_TRUNC empties the file")                             \
	RULE(O_APPEND_HOLDS, "5.1/append", FORM, MUST,                         \
	     "OPEN with O_APPEND does as for the server's own clients")        \
	RULE(O_DIRECT_HOLDS, "5.1/direct", FORM, MUST,                         \
	     "OPEN with O_DIRECT does as for the server's own clients")        \
	RULE(O_DIRECTORY_HOLDS, "5.1/directory", FORM, MUST,                   \
	     "OPEN with O_DIRECTORY does as for the server's own clients")     \
	RULE(O_NOFOLLOW_HOLDS, "5.1/nofollow", FORM, MUST,                     \
	     "OPEN with O_NOFOLLOW does as for the server's own clients")      \
	RULE(O_OTHERS_HOLD, "5.1/others", FORM, MUST,                          \
	     "OPEN with any other flag does as for the server's own clients")  \
	RULE(O_OF_WRITE, "5.1/write", FORM, MUST,                              \
	     "the flags in WRITE do as for the server's own clients")          \
	RULE(E_RANGE, "5.2/range", FORM, MUST, "errors are from -4095 to 0")   \
	RULE(E_ENOTEMPTY, "5.2/enotempty", FORM, MUST,                         \
	     "RMDIR of a directory in use fails with ENOTEMPTY")               \
	RULE(E_ENAMETOOLONG, "5.2/enametoolong", FORM, MUST,                   \
	     "a name of 256 bytes fails with ENAMETOOLONG")                    \
	RULE(E_ELOOP, "5.2/eloop", FORM, MUST,                                 \
	     "OPEN of a symbolic link fails with ELOOP")                       \
	RULE(E_ENODATA, "5.2/enodata", FORM, MUST,                             \
	     "GETXATTR of what is not there fails with ENODATA")               \
	RULE(E_EOPNOTSUPP, "5.2/eopnotsupp", FORM, MUST,                       \
	     "an attribute of no name space fails with EOPNOTSUPP")            \
	RULE(E_ENOSYS, "5.2/enosys", FORM, MUST,                               \
	     "an unknown opcode fails with ENOSYS")                            \
	RULE(LOCK_HELD, "5.3/held", FORM, MUST,                                \
	     "GETLK tells the type of a lock that is held")                    \
	RULE(LOCK_FREE, "5.3/free", FORM, MUST,                                \
	     "GETLK tells F_UNLCK where there is none")                        \
	RULE(LOCK_TYPE, "5.3/type", FORM, MUST,                                \
	     "a lock of an unknown type fails with EINVAL")                    \
	RULE(POLL_EVENTS, "5.4", FORM, MUST,                                   \
	     "POLL tells the events as for the server's own clients")          \
	RULE(IOCTL_FLAGS, "5.5/getflags", FORM, MUST,                          \
	     "FS_IOC_GETFLAGS and FS_IOC_SETFLAGS are understood")             \
	RULE(IOCTL_UNKNOWN, "5.5/unknown", FORM, MUST,                         \
	     "an unknown ioctl fails with ENOTTY")                             \
	RULE(MAX_PAGES, "5.6", FORM, MUST,                                     \
	     "max_pages counts pages of the client, or of 4096 bytes")         \
	RULE(SAME_MODE, "5.7/mode", FORM, MUST, "file modes stay as they are") \
	RULE(SAME_RENAME, "5.7/rename", FORM, MUST,                            \
	     "RENAME_NOREPLACE stays as it is")                                \
	RULE(SAME_XATTR, "5.7/xattr", FORM, MUST,                              \
	     "XATTR_CREATE and XATTR_REPLACE stay as they are")                \
	RULE(SAME_SEEK, "5.7/seek", FORM, MUST, "SEEK_HOLE stays as it is")    \
	RULE(IOCTL_PAYLOAD, "6.8", FORM, MUST,                                 \
	     "the integers of an ioctl's payload are turned round")            \
	RULE(IOCTL_LENGTH, "6.5", FORM, MUST,                                  \
	     "an ioctl whose payload cannot be carried fails with ENOTTY")     \
	RULE(IOCTL_LONG, "6.7", FORM, MUST,                                    \
	     "FS_IOC_GETFLAGS is understood with both sizes of a long")        \
	RULE(REPLY_LENGTH, "7.1/length", FORM, MUST,                           \
	     "the length field of a reply is its length")                      \
	RULE(REPLY_UNIQUE, "7.1/unique", FORM, MUST,                           \
	     "a reply has the unique of its request")                          \
	RULE(REPLY_ERROR, "7.1/error", FORM, MUST,                             \
	     "a reply with an error has 16 bytes")                             \
	RULE(REPLY_SIZE, "7.2/size", FORM, MUST,                               \
	     "a reply without an error is as long as its struct")              \
	RULE(OPCODES, "7.2/opcodes", FORM, MUST,                               \
	     "other requests do as for the server's own clients")              \
	RULE(NO_REPLY, "7.2/forget", FORM, MUST, "FORGET is not answered")     \
	RULE(INTERRUPT, "7.2/interrupt", FORM, MUST,                           \
	     "INTERRUPT is answered with ENOSYS or EAGAIN, or not at all")     \
	RULE(DESTROY, "7.2/destroy", FORM, MUST, "DESTROY is answered")        \
	RULE(FIELDS, "7.3", FORM, MUST,                                        \
	     "numbers in fixed parts keep their values, both ways")            \
	RULE(GROUPS, "7.4", FORM, MUST,                                        \
	     "a request with supplementary groups is taken")                   \
	RULE(DIRENTS, "7.5/readdir", FORM, MUST,                               \
	     "READDIR's records are whole, and list every name once")          \
	RULE(DIRENTS_PLUS, "7.5/plus", FORM, MUST,                             \
	     "READDIRPLUS's records are whole, and list every name once")

#define PROBE_RULE_NAME(name, ...) RULE_##name,
enum rule {
	PROBE_RULES(PROBE_RULE_NAME) RULE_COUNT
};
#undef PROBE_RULE_NAME

#endif
