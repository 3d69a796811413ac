/* A WebSocket client in C with nothing in it but the load: what the platform itself costs.
 *
 * client HOST PORT CLIENTS RATE SECONDS: RATE round trips a second by all clients together, in turn; 0: a closed loop.
 * What is due within the same half millisecond is sent at its end, as by a worker; of what is late, 64 before it reads,
 * and by a client that is late by more than its interval four in a row, as by a worker too.
 * Prints the round trips and the CPU time in microseconds of SECONDS after all clients are open.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, PORTS = 10000, MOST_SENDS = 64, IN_A_ROW = 4, TICK_NS = 1 << 19 };

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t cpu_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

static int send_ping(int socket, int64_t number) {
    unsigned char frame[128];
    char text[96];
    uint32_t mask = (uint32_t)number * 2654435761u;
    int size = snprintf(text, sizeof text, "{\"type\":\"ping\",\"timestamp\":%013lld}", (long long)number);
    frame[0] = 0x81;
    frame[1] = 0x80 | size;
    memcpy(frame + 2, &mask, 4);
    for (int i = 0; i < size; i++) frame[6 + i] = text[i] ^ ((unsigned char *)&mask)[i % 4];
    return send(socket, frame, size + 6, MSG_NOSIGNAL) == size + 6;
}

static int open_client(struct sockaddr_in *to, int number) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    char buffer[4096];
    int one = 1, size, got = 0, client = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0) return -1;
    from.sin_addr.s_addr = htonl(0x7f000101 + number / PORTS);
    setsockopt(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(client, (void *)&from, sizeof from) || connect(client, (void *)to, sizeof *to)) return -1;
    size = snprintf(buffer, sizeof buffer,
                    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    if (send(client, buffer, size, MSG_NOSIGNAL) != size) return -1;
    do { /* what comes behind the blank line is no pong, and not looked at */
        if ((size = recv(client, buffer + got, sizeof buffer - 1 - got, 0)) <= 0) return -1;
        buffer[got += size] = 0;
    } while (!strstr(buffer, "\r\n\r\n"));
    return client;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int clients = atoi(argv[3]), next = 0, epoll = epoll_create1(0);
    double rate = atof(argv[4]);
    int64_t seconds_ns = (int64_t)(atof(argv[5]) * 1e9), sent = 0, back = 0, begin = 0, end = 0, cpu = 0, back_before = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    int *sockets = calloc(clients, sizeof *sockets);
    static char buffer[65536];
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    for (int i = 0; i < clients; i++) {
        if ((sockets[i] = open_client(&to, i)) < 0) return fail("connect");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event)) return fail("epoll_ctl");
    }
    if (rate == 0)
        for (int i = 0; i < clients; i++)
            if (!send_ping(sockets[i], ++sent)) return fail("send");
    int64_t started = now_ns();
    for (;;) {
        int64_t now = now_ns(), tick = (now - started) / TICK_NS;
        if (!begin && now - started > 1000000000) begin = now, cpu = cpu_us(), back_before = back, end = now + seconds_ns;
        if (begin && now >= end) break;
        int64_t due = (int64_t)(tick * TICK_NS * rate / 1e9);
        int row = due - sent > clients ? IN_A_ROW : 1;
        for (int burst = 0; sent < due && burst < MOST_SENDS; next = (next + 1) % clients)
            for (int stop = burst + row; burst < stop; burst++)
                if (!send_ping(sockets[next], ++sent)) return fail("send");
        struct epoll_event events[EVENTS];
        struct timespec wait = {.tv_nsec = sent < due ? 0 : rate == 0 ? 1000000 : started + (tick + 1) * TICK_NS - now};
        int ready = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
        if (ready < 0 && errno != EINTR) return fail("epoll_pwait2");
        for (int i = 0; i < ready; i++) {
            int size = recv(events[i].data.fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
            if (size <= 0) return fail("recv");
            buffer[size] = 0;
            for (char *at = buffer; (at = memmem(at, buffer + size - at, "\"pong\"", 6)); at += 6) {
                back++;
                if (rate == 0 && !send_ping(events[i].data.fd, ++sent)) return fail("send");
            }
        }
    }
    printf("%lld %lld\n", (long long)(back - back_before), (long long)(cpu_us() - cpu));
    return 0;
}
