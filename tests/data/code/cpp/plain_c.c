#include <stdio.h>

/* Reads a line. */
static char *
read_line(FILE *stream)
{
    return NULL;
}

struct point { int x, y; };

void apply(int (*callback)(int), int n) {
    callback(n);
}

EXPORT_API int exported(void) {
    return 0;
}

#ifdef FAST
int guarded(void) { return 1; }
#else
int guarded(void) { return 2; }
#endif

int class_like(int new, int this) { return 0; }
