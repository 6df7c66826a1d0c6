/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over a corpus, as an ordinary test:
 *   replay [FILE|DIRECTORY...]
 * With no argument, over the corpus that it was compiled for.
 */
#include "fuzz.h"
#include <dirent.h>
#include <errno.h>

#ifndef CORPUS_DIR
#define CORPUS_DIR "."
#endif

static unsigned int done;

static int run_file(const char *path)
{
	static uint8_t bytes[1 << 16];
	FILE *file = fopen(path, "rb");
	uint8_t *exact;
	size_t len;

	if (!file) {
		perror(path);
		return -1;
	}
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	exact = malloc(len ? len : 1);
	if (!exact)
		return -1;
	memcpy(exact, bytes, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	done++;
	return 0;
}

static int run(const char *path)
{
	char name[4096];
	struct dirent *entry;
	DIR *dir = opendir(path);
	int err = 0;

	if (!dir)
		return errno == ENOTDIR ? run_file(path) : -1;
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		err = run_file(name);
	}
	closedir(dir);
	return err;
}

int main(int argc, char **argv)
{
	static char corpus[] = CORPUS_DIR;
	char *nothing[] = { NULL, corpus };
	char **paths = argc > 1 ? argv : nothing;
	int count = argc > 1 ? argc : 2;

	for (int i = 1; i < count; i++)
		if (run(paths[i])) {
			fprintf(stderr, "%s: cannot be read\n", paths[i]);
			return EXIT_FAILURE;
		}
	printf("%u inputs\n", done);
	return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
