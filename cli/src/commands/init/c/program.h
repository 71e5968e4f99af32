/* What {{name}} does, apart from how it is run: main.c runs it, test.c tries it. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <hersh.h>

/* Gives the watcher its managed function. */
HershStatus program_install(HershWatcher *watcher);

#endif
