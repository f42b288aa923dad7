/*
 * http_sink - answers 200 'ACK/Jasmin' to every request, keep-alive, and counts.
 *
 *   http_sink --port 21780 [--seconds 3600]
 *
 * GET /__stats  one JSON line: requests, distinct (method+target+body), first/last ns
 * GET /__reset  zero the counters
 * One thread, epoll, 127.0.0.1 only.  Ends after --seconds, or with the process that started it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int fd;
    size_t n;
    char b[32768];
} conn;
static uint64_t reqs, distinct, first_ns, last_ns, bad;
static uint64_t *set;
static size_t cap;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}
static uint64_t fnv(uint64_t h, const void *p, size_t n) {
    const uint8_t *s = p;
    while (n--) {
        h ^= *s++;
        h *= 1099511628211ull;
    }
    return h;
}
static void add(uint64_t h) {
    if (!h) h = 1;
    if (distinct * 2 >= cap) {
        size_t c = cap ? cap * 2 : 65536, i, j;
        uint64_t *b = calloc(c, 8);
        for (i = 0; i < cap; i++)
            if (set[i]) {
                for (j = set[i] & (c - 1); b[j]; j = (j + 1) & (c - 1));
                b[j] = set[i];
            }
        free(set);
        set = b;
        cap = c;
    }
    size_t j = h & (cap - 1);
    for (; set[j]; j = (j + 1) & (cap - 1))
        if (set[j] == h) return;
    set[j] = h;
    distinct++;
}
static int report(char *b, size_t z) {
    typedef unsigned long long u;
    return snprintf(
        b, z,
        "{\"requests\":%llu,\"distinct\":%llu,\"first_ns\":%llu,\"last_ns\":%llu,\"bad\":%llu}\n",
        (u)reqs, (u)distinct, (u)first_ns, (u)last_ns, (u)bad);
}
static void answer(conn *c, const char *body, int n, int close_it) {
    char b[1024];
    int l =
        snprintf(b, sizeof b,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%.*s",
                 n, close_it ? "Connection: close\r\n" : "", n, body);
    if (send(c->fd, b, l, MSG_NOSIGNAL) != l) bad++;
}
/* returns 0 to close */
static int consume(conn *c) {
    for (;;) {
        char *e = memmem(c->b, c->n, "\r\n\r\n", 4), st[512];
        if (!e) return c->n < sizeof c->b;
        size_t hl = e + 4 - c->b, cl = 0;
        int cls = 0;
        for (char *p = c->b; p < e;) {
            char *q = memmem(p, e + 2 - p, "\r\n", 2);
            if (!q) break;
            if (!strncasecmp(p, "content-length:", 15)) cl = strtoul(p + 15, NULL, 10);
            if (!strncasecmp(p, "connection: close", 17)) cls = 1;
            if (!strncasecmp(p, "expect: 100", 11) && c->n == hl &&
                send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) < 0)
                return 0;
            p = q + 2;
        }
        if (hl + cl > sizeof c->b) {
            bad++;
            return 0;
        }
        if (c->n < hl + cl) return 1;
        char *q = memmem(c->b, hl, "\r\n", 2);
        *q = 0;
        if (memchr(c->b, '\n', q - c->b)) bad++;
        if (!strncmp(c->b, "GET /__stats", 12))
            answer(c, st, report(st, sizeof st), cls);
        else if (!strncmp(c->b, "GET /__reset", 12)) {
            reqs = distinct = first_ns = last_ns = bad = 0;
            if (set) memset(set, 0, cap * 8);
            answer(c, "{}\n", 3, cls);
        } else {
            last_ns = now_ns();
            if (!reqs++) first_ns = last_ns;
            uint64_t h = fnv(14695981039346656037ull, c->b, q - c->b);
            add(fnv(h, c->b + hl, cl));
            answer(c, "ACK/Jasmin", 10, cls);
        }
        memmove(c->b, c->b + hl + cl, c->n - hl - cl);
        c->n -= hl + cl;
        if (cls) return 0;
    }
}
int main(int argc, char **argv) {
    int port = 21780, seconds = 3600, one = 1, ep = epoll_create1(0);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--seconds")) seconds = atoi(argv[i + 1]);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm(seconds);
    static conn L;
    L.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(L.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(L.fd, (void *)&a, sizeof a) || listen(L.fd, 1024)) {
        perror("listen");
        return 1;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &L}, ev[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, L.fd, &e);
    for (;;) {
        int n = epoll_wait(ep, ev, 256, -1);
        for (int i = 0; i < n; i++) {
            conn *c = ev[i].data.ptr;
            if (c == &L) {
                int fd;
                while ((fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    conn *d = malloc(sizeof *d);
                    d->fd = fd;
                    d->n = 0;
                    e.data.ptr = d;
                    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
                }
                continue;
            }
            ssize_t r = recv(c->fd, c->b + c->n, sizeof c->b - c->n, 0);
            if (r < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (r > 0) {
                c->n += r;
                if (consume(c)) continue;
            }
            close(c->fd);
            free(c);
        }
    }
}
