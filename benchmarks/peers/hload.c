/*
 * hload - bounded HTTP load for APIs that send SMS, on 127.0.0.1 only.
 *
 *   hload --port P --path TEMPLATE [--method GET|POST] [--data TEMPLATE] [-H 'K: V']...
 *         --count N [--conns 64] [--rate R] [--max-time 120] [--tag a] [--len 100]
 *         [--expect STR] [--acked FILE] [--bulk K --to-sep '+']
 *
 * N requests at most, never retried, within --max-time seconds at most.  Closed loop over
 * keep-alive connections, or open loop at R requests/s.  Templates know:
 *   {body}   T<monotonic ns>;<tag>-<seq> padded with 'x' to --len
 *   {ubody}  the same, percent-encoded      {seq}   the request number
 *   {to}     a destination, or K of them joined by --to-sep
 *   {tos}    K destinations as JSON objects: {"to":"+a"},{"to":"+b"}
 * A request is acknowledged when the status is 2xx and, if --expect 'x|y' is given, the response
 * contains one of those strings.  --acked writes the acknowledged request numbers, one a line.
 * Prints one JSON line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TO_BASE 447700900000LL
#define TO_MOST 1000000
#define BUF (1 << 18) /* a request or an answer of 1,000 recipients fits */
typedef struct {
    int fd, state, reused;
    uint64_t seq, t0;
    size_t outl, outo, inl;
    char out[BUF], in[BUF];
} conn;
enum { IDLE, CONNECTING, WRITING, READING }; /* IDLE with fd>=0: keep-alive, free */

static const char *path, *method = "GET", *data, *tag = "a", *expect, *acked_file, *to_sep = "+";
static char hdrs[4096];
static int port, nconn = 64, bulk = 1;
static long long count = 1000;
static double rate, max_time = 120;
static size_t blen = 100;
static int ep;
static conn *C;
static uint64_t *lat;
static uint8_t *acked;
static uint64_t sent, done, ok, unexpected, s3, s4, s5, connfail, broken, first_ns, last_ns;
static char sample[200];
static int connecting; /* at most 16 at once: no SYN storm on small backlogs */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}
static size_t expand(char *o, size_t z, const char *t, uint64_t seq, uint64_t ns) {
    size_t n = 0;
    char b[1024];
    size_t bl = snprintf(b, sizeof b, "T%llu;%s-%llu ", (unsigned long long)ns, tag,
                         (unsigned long long)seq);
    while (bl < blen && bl < sizeof b - 1) b[bl++] = 'x';
    b[bl] = 0;
    while (*t && n + 64 < z) {
        if (!strncmp(t, "{body}", 6)) {
            n += snprintf(o + n, z - n, "%s", b);
            t += 6;
        } else if (!strncmp(t, "{ubody}", 7)) {
            for (char *p = b; *p && n + 4 < z; p++)
                if (*p == ';') {
                    memcpy(o + n, "%3B", 3);
                    n += 3;
                } else if (*p == ' ')
                    o[n++] = '+';
                else
                    o[n++] = *p;
            t += 7;
        } else if (!strncmp(t, "{seq}", 5)) {
            n += snprintf(o + n, z - n, "%llu", (unsigned long long)seq);
            t += 5;
        } else if (!strncmp(t, "{to}", 4) || !strncmp(t, "{tos}", 5)) {
            int js = t[3] == 's';
            for (int k = 0; k < bulk && n + 40 < z; k++)
                n += snprintf(o + n, z - n, js ? "%s{\"to\":\"+%lld\"}" : "%s%lld",
                              k ? (js ? "," : to_sep) : "",
                              TO_BASE + (long long)((seq * bulk + k) % TO_MOST));
            t += js ? 5 : 4;
        } else
            o[n++] = *t++;
    }
    o[n] = 0;
    return n;
}
static void build(conn *c, uint64_t ns) {
    static char p[BUF / 2], d[BUF / 2];
    size_t dl = 0;
    expand(p, sizeof p, path, c->seq, ns);
    if (data) dl = expand(d, sizeof d, data, c->seq, ns);
    c->outo = 0;
    c->outl =
        snprintf(c->out, BUF, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s", method, p, port, hdrs);
    if (data) c->outl += snprintf(c->out + c->outl, BUF - c->outl, "Content-Length: %zu\r\n", dl);
    c->outl += snprintf(c->out + c->outl, BUF - c->outl, "\r\n");
    if (dl) {
        memcpy(c->out + c->outl, d, dl);
        c->outl += dl;
    }
}
static void drop(conn *c) {
    if (c->state == CONNECTING) connecting--;
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->state = IDLE;
    c->inl = 0;
    c->reused = 0;
}
static void watch(conn *c, uint32_t ev, int op) {
    struct epoll_event e = {.events = ev, .data.ptr = c};
    epoll_ctl(ep, op, c->fd, &e);
}
static void do_write(conn *c) {
    while (c->outo < c->outl) {
        ssize_t r = send(c->fd, c->out + c->outo, c->outl - c->outo, MSG_NOSIGNAL);
        if (r < 0 && errno == EAGAIN) {
            c->state = WRITING;
            watch(c, EPOLLOUT | EPOLLIN, EPOLL_CTL_MOD);
            return;
        }
        if (r < 0) {
            broken++;
            done++;
            drop(c);
            return;
        }
        c->outo += r;
    }
    c->state = READING;
    watch(c, EPOLLIN, EPOLL_CTL_MOD);
}
static void start(conn *c, uint64_t sched) {
    c->seq = sent++;
    c->inl = 0;
    uint64_t t = sched ? sched : now_ns();
    if (!first_ns) first_ns = t;
    c->t0 = t;
    build(c, t);
    if (c->fd >= 0) { /* was the idle connection closed meanwhile? */
        char x;
        ssize_t r = recv(c->fd, &x, 1, MSG_PEEK | MSG_DONTWAIT);
        if (r == 0 || (r < 0 && errno != EAGAIN)) drop(c);
    }
    if (c->fd >= 0) {
        do_write(c);
        return;
    }
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&a, sizeof a) && errno != EINPROGRESS) {
        connfail++;
        done++;
        drop(c);
        return;
    }
    c->state = CONNECTING;
    connecting++;
    watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}
static int expected(const char *r) { /* any of the |-separated strings */
    char t[256];
    snprintf(t, sizeof t, "%s", expect);
    for (char *sv, *p = strtok_r(t, "|", &sv); p; p = strtok_r(NULL, "|", &sv))
        if (strstr(r, p)) return 1;
    return 0;
}
static void finish(conn *c, int status, size_t total, int keep) {
    uint64_t t = now_ns();
    c->in[total < BUF ? total : BUF - 1] = 0;
    if (status >= 200 && status < 300) {
        if (!expect || expected(c->in)) {
            lat[ok++] = t - c->t0;
            acked[c->seq] = 1;
            last_ns = t;
        } else
            unexpected++;
    } else if (status < 400)
        s3++;
    else if (status < 500)
        s4++;
    else
        s5++;
    if (!sample[0] && !acked[c->seq])
        for (size_t i = 0; i < sizeof sample - 1 && i < total; i++)
            sample[i] = c->in[i] < 32 || c->in[i] == '"' || c->in[i] == '\\' ? ' ' : c->in[i];
    done++;
    c->state = IDLE;
    c->inl = 0;
    if (!keep) drop(c);
}
/* parse a response; returns after finishing it, or when more bytes are needed */
static void parse(conn *c, int eof) {
    c->in[c->inl] = 0;
    char *e = memmem(c->in, c->inl, "\r\n\r\n", 4);
    if (!e) {
        if (eof) {
            broken++;
            done++;
            drop(c);
        }
        return;
    }
    size_t hl = e + 4 - c->in;
    int status = c->inl > 12 ? atoi(c->in + 9) : 0, keep = !strncmp(c->in, "HTTP/1.1", 8),
        chunked = 0;
    long cl = -1;
    for (char *p = c->in; p < e;) {
        char *q = memmem(p, e + 2 - p, "\r\n", 2);
        if (!q) break;
        if (!strncasecmp(p, "content-length:", 15)) cl = atol(p + 15);
        if (!strncasecmp(p, "transfer-encoding: chunked", 26)) chunked = 1;
        if (!strncasecmp(p, "connection: close", 17)) keep = 0;
        if (!strncasecmp(p, "connection: keep-alive", 22)) keep = 1;
        p = q + 2;
    }
    if (status == 100) {
        memmove(c->in, c->in + hl, c->inl - hl);
        c->inl -= hl;
        if (c->inl) parse(c, eof);
        return;
    }
    if (status == 204 || status == 304) cl = 0;
    if (chunked) {
        if (memmem(c->in + hl - 2, c->inl - hl + 2, "\r\n0\r\n\r\n", 7))
            finish(c, status, c->inl, keep && !eof);
        else if (eof) {
            broken++;
            done++;
            drop(c);
        }
        return;
    }
    if (cl >= 0) {
        if (c->inl >= hl + cl)
            finish(c, status, hl + cl, keep && !eof);
        else if (eof) {
            broken++;
            done++;
            drop(c);
        }
        return;
    }
    if (eof) finish(c, status, c->inl, 0);
}
static int cmpu(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}
int main(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *k = argv[i], *v = argv[i + 1];
        if (!strcmp(k, "--port"))
            port = atoi(v);
        else if (!strcmp(k, "--path"))
            path = v;
        else if (!strcmp(k, "--method"))
            method = v;
        else if (!strcmp(k, "--data"))
            data = v;
        else if (!strcmp(k, "-H")) {
            strncat(hdrs, v, sizeof hdrs - strlen(hdrs) - 3);
            strcat(hdrs, "\r\n");
        } else if (!strcmp(k, "--count"))
            count = atoll(v);
        else if (!strcmp(k, "--conns"))
            nconn = atoi(v);
        else if (!strcmp(k, "--rate"))
            rate = atof(v);
        else if (!strcmp(k, "--max-time"))
            max_time = atof(v);
        else if (!strcmp(k, "--tag"))
            tag = v;
        else if (!strcmp(k, "--len"))
            blen = atoi(v);
        else if (!strcmp(k, "--expect"))
            expect = v;
        else if (!strcmp(k, "--acked"))
            acked_file = v;
        else if (!strcmp(k, "--bulk"))
            bulk = atoi(v);
        else if (!strcmp(k, "--to-sep"))
            to_sep = v;
        else {
            fprintf(stderr, "unknown option %s\n", k);
            return 2;
        }
    }
    if (!port || !path) {
        fprintf(stderr, "--port and --path are needed\n");
        return 2;
    }
    ep = epoll_create1(0);
    C = calloc(nconn, sizeof *C);
    lat = calloc(count + 1, 8);
    acked = calloc(count + 1, 1);
    for (int i = 0; i < nconn; i++) C[i].fd = -1;
    uint64_t begin = now_ns(), limit = begin + (uint64_t)(max_time * 1e9);
    int tfd = -1;
    if (rate > 0) {
        tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(ep, EPOLL_CTL_ADD, tfd, &e);
    }
    struct epoll_event ev[256];
    int rr = 0;
    while (done < (uint64_t)count) {
        uint64_t t = now_ns();
        if (t > limit) break;
        if (rate > 0) {
            while (sent < (uint64_t)count) {
                uint64_t due = begin + (uint64_t)(sent * 1e9 / rate);
                int k;
                if (due > now_ns()) {
                    struct itimerspec it = {.it_value = {due / 1000000000ull, due % 1000000000ull}};
                    timerfd_settime(tfd, TFD_TIMER_ABSTIME, &it, NULL);
                    break;
                }
                for (k = 0; k < nconn && C[(rr + k) % nconn].state != IDLE; k++);
                if (k == nconn) break; /* all busy: the lateness is charged to the gateway */
                conn *c = &C[(rr + k) % nconn];
                rr = (rr + k + 1) % nconn;
                start(c, now_ns() - due > 2000000 ? due : 0);
            }
        } else
            for (int i = 0; i < nconn && sent < (uint64_t)count; i++)
                if (C[i].state == IDLE && (C[i].fd >= 0 || connecting < 16)) start(&C[i], 0);
        if (done >= (uint64_t)count) break;
        int n = epoll_wait(ep, ev, 256, 100);
        for (int i = 0; i < n; i++) {
            conn *c = ev[i].data.ptr;
            if (!c) {
                uint64_t x;
                if (read(tfd, &x, 8) < 0) {
                }
                continue;
            }
            if (c->fd < 0) continue;
            if (c->state == CONNECTING) {
                int er = 0;
                socklen_t l = sizeof er;
                getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &er, &l);
                if (er) {
                    connfail++;
                    done++;
                    drop(c);
                    continue;
                }
                connecting--;
                c->state = WRITING;
                do_write(c);
                continue;
            }
            if (c->state == WRITING && (ev[i].events & EPOLLOUT)) {
                do_write(c);
                continue;
            }
            ssize_t r = recv(c->fd, c->in + c->inl, BUF - 1 - c->inl, 0);
            if (r < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            if (c->state == IDLE) {
                drop(c);
                continue;
            } /* peer closed a free connection */
            if (r < 0) {
                broken++;
                done++;
                drop(c);
                continue;
            }
            c->inl += r > 0 ? r : 0;
            parse(c, r == 0);
            if (c->inl >= BUF - 1) {
                broken++;
                done++;
                drop(c);
            }
        }
    }
    if (acked_file) {
        FILE *f = fopen(acked_file, "w");
        if (f) {
            for (long long i = 0; i < count; i++)
                if (acked[i]) fprintf(f, "%lld\n", i);
            fclose(f);
        }
    }
    qsort(lat, ok, 8, cmpu);
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    double dur = last_ns > first_ns ? (last_ns - first_ns) / 1e9 : 0;
#define P(q) (ok ? lat[(size_t)((ok - 1) * q)] / 1e3 : 0)
    printf("{\"sent\":%llu,\"acked\":%llu,\"unexpected\":%llu,\"http_3xx\":%llu,\"http_4xx\":%llu,"
           "\"http_5xx\":%llu,"
           "\"connect_failed\":%llu,\"broken\":%llu,\"unfinished\":%llu,\"seconds\":%.4f,\"accept_"
           "per_s\":%.1f,"
           "\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%.0f,\"first_ns\":%llu,"
           "\"last_ns\":%llu,"
           "\"cpu_s\":%.3f,\"bad_sample\":\"%s\"}\n",
           (unsigned long long)sent, (unsigned long long)ok, (unsigned long long)unexpected,
           (unsigned long long)s3, (unsigned long long)s4, (unsigned long long)s5,
           (unsigned long long)connfail, (unsigned long long)broken,
           (unsigned long long)(sent - done), dur, dur > 0 ? ok / dur : 0, P(.5), P(.9), P(.99),
           ok ? lat[ok - 1] / 1e3 : 0, (unsigned long long)first_ns, (unsigned long long)last_ns,
           ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
               (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6,
           sample);
    return ok ? 0 : 1;
}
