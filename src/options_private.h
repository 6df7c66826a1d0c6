/* SPDX-License-Identifier: BSD-2-Clause */
/* For options.c: the options that are no port's. */
#ifndef OPTIONS_PRIVATE_H
#define OPTIONS_PRIVATE_H

#include "option.h"
#include "options.h"

/* What the command line says; its defaults at first. */
extern struct options parsed;

extern const struct option known[];

#endif
