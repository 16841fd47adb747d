/* How much of a CPU the host takes without saying so: spin on CPU for SECONDS and add up the gaps in the clock above
 * 50 us. A virtual CPU can lose most of its time while /proc/stat shows no steal at all. Prints the lost share in %.
 *
 *   cc -O2 -o hidden_steal hidden_steal.c && ./hidden_steal CPU SECONDS
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const double GAP_MIN_S = 50e-6; /* above a timer interrupt, below any scheduler slice */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(atoi(argv[1]), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus)) { perror("sched_setaffinity"); return 1; }
    double start = now(), last = start, end = start + atof(argv[2]), lost = 0;
    while (last < end) {
        double t = now();
        if (t - last > GAP_MIN_S) lost += t - last;
        last = t;
    }
    printf("%.2f\n", 100 * lost / (last - start));
    return 0;
}
