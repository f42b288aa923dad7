/*
 * smsc_sink - a neutral SMPP 3.4 message centre for benchmarks.
 *
 * One thread, epoll, no per-message allocation beyond an arena copy of each
 * distinct body.  It accepts every bind and answers every submit_sm with
 * ESME_ROK, at once or after a delay, and with --dlr returns a standard
 * delivery receipt per submit that asked for one.
 *
 *   smsc_sink --port 21775 --stats-port 21776 [--dlr] [--dlr-delay-ms N] [--seconds 3600]
 *
 * Stats port: one TCP connection, one command line, one answer, close.
 *   stats   one JSON line            (an empty line means the same)
 *   reset   zero every counter, forget the bodies
 *   dump    "count<TAB>body" per distinct body
 *   delay N answer each submit_sm after N ms from now on
 * All times are CLOCK_MONOTONIC nanoseconds.  On 127.0.0.1 only.  Ends after
 * --seconds, or with the process that started it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { K_LISTEN, K_STATS_LISTEN, K_SMPP, K_STATS };
#define DLR_WINDOW 1000
enum { B_TX = 1, B_RX = 2 };

typedef struct conn {
    int fd, kind, bound, dead, writing, unacked, closing;
    uint32_t seq, id;
    char *in, *out;
    size_t inl, inc, outo, outl, outc;
    struct conn *next;
} conn;

typedef struct {
    uint64_t due;
    uint32_t conn_id, seq;
    uint64_t msgid;
} resp_item;
typedef struct {
    uint64_t due, msgid;
    uint32_t conn_id;
    time_t when;
    uint8_t ston, snpi, dton, dnpi;
    char src[22], dst[22], text[21];
} dlr_item;

/* growable FIFO rings */
#define RING(T, name)                                                                              \
    typedef struct {                                                                               \
        T *a;                                                                                      \
        size_t cap, head, n;                                                                       \
    } name;                                                                                        \
    static void name##_push(name *r, const T *v) {                                                 \
        if (r->n == r->cap) {                                                                      \
            size_t c = r->cap ? r->cap * 2 : 1024, i;                                              \
            T *b = malloc(c * sizeof *b);                                                          \
            for (i = 0; i < r->n; i++) b[i] = r->a[(r->head + i) % r->cap];                        \
            free(r->a);                                                                            \
            r->a = b;                                                                              \
            r->cap = c;                                                                            \
            r->head = 0;                                                                           \
        }                                                                                          \
        r->a[(r->head + r->n++) % r->cap] = *v;                                                    \
    }                                                                                              \
    static void name##_pop(name *r) {                                                              \
        r->head = (r->head + 1) % r->cap;                                                          \
        r->n--;                                                                                    \
    }
RING(resp_item, respq)
RING(dlr_item, dlrq)

static respq resps;
static dlrq dlrs;
static conn *conns;
static uint32_t next_id = 1;
static int ep, opt_dlr, opt_resp_delay, opt_dlr_delay;
static uint64_t msgid_next = 1000000;

/* counters */
static uint64_t n_submit, n_dlr_req, n_dlr_sent, n_dlr_ack, n_dlr_nack, n_bind, n_other;
static uint64_t first_ns, last_ns, last_dlr_ack_ns;
static int64_t *lat;
static size_t lat_n, lat_c;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* ---- hash set of bodies (and of destination+body) ---- */
typedef struct {
    uint64_t h;
    uint32_t cnt, len;
    char *s;
} slot;
typedef struct {
    slot *a;
    size_t cap, n;
} set;
static set bodies, pairs;
static uint64_t fnv(uint64_t h, const void *p, size_t n) {
    const uint8_t *s = p;
    while (n--) {
        h ^= *s++;
        h *= 1099511628211ull;
    }
    return h;
}
static void set_add(set *t, uint64_t h, const char *s, uint32_t len, int keep) {
    if (t->n * 2 >= t->cap) {
        size_t c = t->cap ? t->cap * 2 : 65536, i, j;
        slot *b = calloc(c, sizeof *b);
        for (i = 0; i < t->cap; i++)
            if (t->a[i].cnt) {
                for (j = t->a[i].h & (c - 1); b[j].cnt; j = (j + 1) & (c - 1));
                b[j] = t->a[i];
            }
        free(t->a);
        t->a = b;
        t->cap = c;
    }
    size_t j = h & (t->cap - 1);
    for (; t->a[j].cnt; j = (j + 1) & (t->cap - 1))
        if (t->a[j].h == h && t->a[j].len == len && (!keep || !memcmp(t->a[j].s, s, len))) {
            t->a[j].cnt++;
            return;
        }
    t->a[j].h = h;
    t->a[j].cnt = 1;
    t->a[j].len = len;
    t->n++;
    if (keep) {
        t->a[j].s = malloc(len + 1);
        memcpy(t->a[j].s, s, len);
    }
}
static void set_clear(set *t) {
    for (size_t i = 0; i < t->cap; i++)
        if (t->a[i].cnt) free(t->a[i].s);
    if (t->a) memset(t->a, 0, t->cap * sizeof *t->a);
    t->n = 0;
}

/* ---- output ---- */
static void ep_mod(conn *c, int w) {
    if (c->writing == w) return;
    struct epoll_event e = {.events = EPOLLIN | (w ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    c->writing = w;
}
static void flush_out(conn *c) {
    while (c->outo < c->outl) {
        ssize_t r = send(c->fd, c->out + c->outo, c->outl - c->outo, MSG_NOSIGNAL);
        if (r < 0) {
            if (errno == EAGAIN) {
                ep_mod(c, 1);
                return;
            }
            if (errno == EINTR) continue;
            c->dead = 1;
            return;
        }
        c->outo += r;
    }
    c->outo = c->outl = 0;
    ep_mod(c, 0);
    if (c->closing) c->dead = 1;
}
static void put(conn *c, const void *p, size_t n) {
    if (c->outl + n > c->outc) {
        c->outc = (c->outl + n) * 2;
        c->out = realloc(c->out, c->outc);
    }
    memcpy(c->out + c->outl, p, n);
    c->outl += n;
}
static void pdu(conn *c, uint32_t cmd, uint32_t st, uint32_t seq, const void *b, size_t n) {
    uint32_t h[4] = {htonl(16 + n), htonl(cmd), htonl(st), htonl(seq)};
    put(c, h, 16);
    if (n) put(c, b, n);
}
static conn *by_id(uint32_t id) {
    for (conn *c = conns; c; c = c->next)
        if (c->id == id && !c->dead) return c;
    return NULL;
}
static void submit_resp(conn *c, uint32_t seq, uint64_t id) {
    char m[24];
    int n = snprintf(m, sizeof m, "%llu", (unsigned long long)id);
    pdu(c, 0x80000004, 0, seq, m, n + 1);
}

/* ---- report ---- */
static int cmp64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}
static size_t report(char *b, size_t z) {
    int bound = 0;
    for (conn *c = conns; c; c = c->next)
        if (c->bound && !c->dead) bound++;
    double p50 = 0, p99 = 0, mx = 0;
    if (lat_n) {
        qsort(lat, lat_n, sizeof *lat, cmp64);
        p50 = lat[lat_n / 2] / 1e3;
        p99 = lat[lat_n * 99 / 100] / 1e3;
        mx = lat[lat_n - 1] / 1e3;
    }
    typedef unsigned long long u;
    return snprintf(
        b, z,
        "{\"submits\":%llu,\"distinct_bodies\":%zu,\"distinct_msgs\":%zu,\"duplicates\":%llu,"
        "\"dlr_requested\":%llu,\"dlr_sent\":%llu,\"dlr_acked\":%llu,\"dlr_nacked\":%llu,\"dlr_"
        "queued\":%zu,"
        "\"first_ns\":%llu,\"last_ns\":%llu,\"last_dlr_ack_ns\":%llu,\"bound\":%d,\"binds\":%llu,"
        "\"other_pdus\":%llu,"
        "\"lat_n\":%zu,\"lat_p50_us\":%.0f,\"lat_p99_us\":%.0f,\"lat_max_us\":%.0f}\n",
        (u)n_submit, bodies.n, pairs.n, (u)(n_submit - pairs.n), (u)n_dlr_req, (u)n_dlr_sent,
        (u)n_dlr_ack, (u)n_dlr_nack, dlrs.n, (u)first_ns, (u)last_ns, (u)last_dlr_ack_ns, bound,
        (u)n_bind, (u)n_other, lat_n, p50, p99, mx);
}
static void dump(conn *c) {
    char t[16];
    for (size_t i = 0; i < bodies.cap; i++)
        if (bodies.a[i].cnt) {
            slot *s = &bodies.a[i];
            put(c, t, snprintf(t, sizeof t, "%u\t", s->cnt));
            put(c, s->s, s->len);
            put(c, "\n", 1);
        }
}
static void reset(void) {
    set_clear(&bodies);
    set_clear(&pairs);
    lat_n = 0;
    n_submit = n_dlr_req = n_dlr_sent = n_dlr_ack = n_dlr_nack = n_bind = n_other = 0;
    first_ns = last_ns = last_dlr_ack_ns = 0;
}

/* ---- SMPP ---- */
static const char *cstr(const char **p, const char *e, size_t *len) {
    const char *s = *p, *z = memchr(s, 0, e - s);
    if (!z) {
        *p = e + 1;
        *len = 0;
        return "";
    }
    *len = z - s;
    *p = z + 1;
    return s;
}
static void on_submit(conn *c, uint32_t seq, const char *b, size_t n) {
    const char *p = b, *e = b + n;
    size_t l, sl, dl;
    uint64_t t = now_ns();
    dlr_item d;
    memset(&d, 0, sizeof d);
    cstr(&p, e, &l); /* service_type */
    if (e - p < 3) goto bad;
    d.ston = *p++;
    d.snpi = *p++;
    const char *src = cstr(&p, e, &sl);
    if (e - p < 3) goto bad;
    d.dton = *p++;
    d.dnpi = *p++;
    const char *dst = cstr(&p, e, &dl);
    if (e - p < 3) goto bad;
    uint8_t esm = *p;
    p += 3; /* esm, pid, priority */
    cstr(&p, e, &l);
    cstr(&p, e, &l); /* schedule, validity */
    if (e - p < 5) goto bad;
    uint8_t rd = p[0], dcs = p[2], sml = p[4];
    p += 5;
    const char *sm = p;
    size_t smn = sml;
    if (smn > (size_t)(e - p)) goto bad;
    p += smn;
    while (e - p >= 4) { /* message_payload TLV */
        uint16_t tag = (uint8_t)p[0] << 8 | (uint8_t)p[1], tl = (uint8_t)p[2] << 8 | (uint8_t)p[3];
        p += 4;
        if (tl > e - p) break;
        if (tag == 0x0424 && !smn) {
            sm = p;
            smn = tl;
        }
        p += tl;
    }
    uint64_t h = fnv(14695981039346656037ull, sm, smn);
    set_add(&bodies, h, sm, smn, 1);
    set_add(&pairs, fnv(h, dst, dl), NULL, smn, 0);
    if (!n_submit++) first_ns = t;
    last_ns = t;
    const char *x = sm;
    size_t xn = smn;
    char a[64]; /* strip UDH, fold UCS-2 */
    if ((esm & 0x40) && xn && (uint8_t)x[0] + 1u <= xn) {
        xn -= (uint8_t)x[0] + 1;
        x += smn - xn;
    }
    if ((dcs & 0x0c) == 8) {
        size_t i;
        for (i = 0; i < 60 && i * 2 + 1 < xn; i++) a[i] = x[i * 2 + 1];
        x = a;
        xn = i;
    }
    if (xn > 2 && x[0] == 'T') {
        uint64_t v = 0;
        size_t i = 1;
        while (i < xn && x[i] >= '0' && x[i] <= '9') v = v * 10 + (x[i++] - '0');
        if (i > 1 && i < xn && x[i] == ';') {
            if (lat_n == lat_c) {
                lat_c = lat_c ? lat_c * 2 : 65536;
                lat = realloc(lat, lat_c * sizeof *lat);
            }
            lat[lat_n++] = (int64_t)(t - v);
        }
    }
    uint64_t id = msgid_next++;
    if (opt_resp_delay) {
        resp_item r = {t + opt_resp_delay * 1000000ull, c->id, seq, id};
        respq_push(&resps, &r);
    } else
        submit_resp(c, seq, id);
    if ((rd & 3) == 1 || (rd & 3) == 3) {
        n_dlr_req++;
        if (opt_dlr) {
            d.due = t + (opt_resp_delay + opt_dlr_delay) * 1000000ull;
            d.msgid = id;
            d.conn_id = c->id;
            d.when = time(NULL);
            snprintf(d.src, sizeof d.src, "%.*s", (int)(sl > 21 ? 21 : sl), src);
            snprintf(d.dst, sizeof d.dst, "%.*s", (int)(dl > 21 ? 21 : dl), dst);
            snprintf(d.text, sizeof d.text, "%.*s", (int)(xn > 20 ? 20 : xn), x);
            dlrq_push(&dlrs, &d);
        }
    }
    return;
bad:
    n_other++;
    pdu(c, 0x80000004, 2, seq, "", 1);
}
static int send_dlr(const dlr_item *d) {
    conn *c = by_id(d->conn_id);
    if (!c || !(c->bound & B_RX) || c->unacked >= DLR_WINDOW)
        for (c = conns; c; c = c->next)
            if (c->kind == K_SMPP && !c->dead && (c->bound & B_RX) && c->unacked < DLR_WINDOW)
                break;
    if (!c) return 0;
    char b[512], s[13], f[13], m[256];
    size_t n = 0;
    struct tm tm;
    time_t done = time(NULL);
    strftime(s, sizeof s, "%y%m%d%H%M", localtime_r(&d->when, &tm));
    strftime(f, sizeof f, "%y%m%d%H%M", localtime_r(&done, &tm));
    int ml = snprintf(
        m, sizeof m,
        "id:%llu sub:001 dlvrd:001 submit date:%s done date:%s stat:DELIVRD err:000 text:%s",
        (unsigned long long)d->msgid, s, f, d->text);
    b[n++] = 0; /* service_type */
    b[n++] = d->dton;
    b[n++] = d->dnpi;
    n += sprintf(b + n, "%s", d->dst) + 1;
    b[n++] = d->ston;
    b[n++] = d->snpi;
    n += sprintf(b + n, "%s", d->src) + 1;
    b[n++] = 4;
    b[n++] = 0;
    b[n++] = 0;
    b[n++] = 0;
    b[n++] = 0; /* esm pid prio sched valid */
    b[n++] = 0;
    b[n++] = 0;
    b[n++] = 0;
    b[n++] = 0;
    b[n++] = ml; /* rd repl dcs defid len */
    memcpy(b + n, m, ml);
    n += ml;
    pdu(c, 5, 0, ++c->seq & 0x7fffffff, b, n);
    c->unacked++;
    n_dlr_sent++;
    return 1;
}
static void on_pdu(conn *c, uint32_t cmd, uint32_t st, uint32_t seq, const char *b, size_t n) {
    switch (cmd) {
    case 1:
    case 2:
    case 9:
        c->bound = cmd == 1 ? B_RX : cmd == 2 ? B_TX : B_RX | B_TX;
        n_bind++;
        pdu(c, cmd | 0x80000000, 0, seq, "sink", 5);
        break;
    case 4: on_submit(c, seq, b, n); break;
    case 6:
        pdu(c, 0x80000006, 0, seq, NULL, 0);
        c->closing = 1;
        c->bound = 0;
        break;
    case 0x15: pdu(c, 0x80000015, 0, seq, NULL, 0); break;
    case 0x80000005:
        c->unacked--;
        if (st)
            n_dlr_nack++;
        else
            n_dlr_ack++;
        last_dlr_ack_ns = now_ns();
        break;
    case 0x80000015: break;
    default:
        n_other++;
        if (!(cmd & 0x80000000)) pdu(c, 0x80000000, 3, seq, NULL, 0);
    }
}
static void on_smpp_in(conn *c) {
    size_t o = 0;
    while (c->inl - o >= 16) {
        uint32_t h[4];
        memcpy(h, c->in + o, 16);
        uint32_t len = ntohl(h[0]);
        if (len < 16 || len > 70000) {
            c->dead = 1;
            return;
        }
        if (c->inl - o < len) break;
        on_pdu(c, ntohl(h[1]), ntohl(h[2]), ntohl(h[3]), c->in + o + 16, len - 16);
        o += len;
    }
    memmove(c->in, c->in + o, c->inl - o);
    c->inl -= o;
}
static void on_stats_in(conn *c) {
    char *nl = memchr(c->in, '\n', c->inl), b[1024];
    if (!nl || c->closing) return;
    if (!strncmp(c->in, "reset", 5)) {
        reset();
        put(c, "{}\n", 3);
    } else if (!strncmp(c->in, "dump", 4))
        dump(c);
    else if (!strncmp(c->in, "delay ", 6)) {
        opt_resp_delay = atoi(c->in + 6);
        put(c, "{}\n", 3);
    } else
        put(c, b, report(b, sizeof b));
    c->closing = 1;
}

/* ---- plumbing ---- */
static conn *add_conn(int fd, int kind) {
    conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    c->kind = kind;
    c->id = next_id++;
    c->next = conns;
    conns = c;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    return c;
}
static void listen_on(int port, int kind) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 128)) {
        perror("listen");
        exit(1);
    }
    add_conn(fd, kind);
}
static void readable(conn *c) {
    int one = 1;
    if (c->kind == K_LISTEN || c->kind == K_STATS_LISTEN) {
        int fd;
        while ((fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            add_conn(fd, c->kind == K_LISTEN ? K_SMPP : K_STATS);
        }
        return;
    }
    for (;;) {
        if (c->inc - c->inl < 65536) {
            c->inc += 131072;
            c->in = realloc(c->in, c->inc);
        }
        ssize_t r = recv(c->fd, c->in + c->inl, c->inc - c->inl, 0);
        if (r == 0) {
            c->dead = 1;
            break;
        }
        if (r < 0) {
            if (errno != EAGAIN && errno != EINTR) c->dead = 1;
            break;
        }
        c->inl += r;
        if (c->kind == K_SMPP)
            on_smpp_in(c);
        else
            on_stats_in(c);
        if (c->dead || r < 65536) break;
    }
}
int main(int argc, char **argv) {
    int port = 21775, sport = 21776, seconds = 3600;
    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : "0";
        if (!strcmp(argv[i], "--dlr")) {
            opt_dlr = 1;
            continue;
        }
        if (!strcmp(argv[i], "--port"))
            port = atoi(v);
        else if (!strcmp(argv[i], "--stats-port"))
            sport = atoi(v);
        else if (!strcmp(argv[i], "--dlr-delay-ms"))
            opt_dlr_delay = atoi(v);
        else if (!strcmp(argv[i], "--seconds"))
            seconds = atoi(v);
        else {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
        i++;
    }
    ep = epoll_create1(0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    alarm(seconds);
    listen_on(port, K_LISTEN);
    listen_on(sport, K_STATS_LISTEN);
    struct epoll_event ev[256];
    for (;;) {
        uint64_t due = 0, t = now_ns();
        int to = 1000;
        if (resps.n) due = resps.a[resps.head].due;
        if (dlrs.n && (!due || dlrs.a[dlrs.head].due < due)) due = dlrs.a[dlrs.head].due;
        if (due) to = due <= t ? 1 : (int)((due - t) / 1000000) + 1;
        int n = epoll_wait(ep, ev, 256, to > 1000 ? 1000 : to);
        for (int i = 0; i < n; i++) {
            conn *c = ev[i].data.ptr;
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
        }
        t = now_ns();
        while (resps.n && resps.a[resps.head].due <= t) {
            resp_item *r = &resps.a[resps.head];
            conn *c = by_id(r->conn_id);
            if (c) submit_resp(c, r->seq, r->msgid);
            respq_pop(&resps);
        }
        while (dlrs.n && dlrs.a[dlrs.head].due <= t && send_dlr(&dlrs.a[dlrs.head]))
            dlrq_pop(&dlrs);
        for (conn **pp = &conns; *pp;) {
            conn *c = *pp;
            if (!c->dead && c->outl > c->outo)
                flush_out(c);
            else if (!c->dead && c->closing)
                c->dead = 1;
            if (c->dead) {
                *pp = c->next;
                close(c->fd);
                free(c->in);
                free(c->out);
                free(c);
            } else
                pp = &c->next;
        }
    }
}
