/* Bare system calls: one send() of the ready bytes of a turn for each client, and nothing else; or, with --pages=1, one
 * sendfile() of the same bytes in a file in memory.
 *
 * There is no framing and no topic, and what a client lacks is one number. One whose socket is full is left for later;
 * who produces waits only while one lacks more than 256 KiB, as with every server. The upgrade is answered with 101,
 * whatever the request says.
 *
 *     --messages=N --turn=N --rate=N --bytes=N --lose=N --prepared=N: see benchmarks/peers/__init__.py
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 20000
#define BUFFERED_BYTES_MAX (256 * 1024)
#define FILLER "the same bytes for every one of the clients, and each of them checks every byte that it is given. 0123456"

static long messages = 1, turn = 1, rate = 0, bytes = 125, lose = -1, prepared = 1, pages = 0;
static int clients[CLIENTS_MAX], connected = 0, file = -1;
static long given[CLIENTS_MAX]; /* bytes of the stream that a client's socket has taken */
static struct pollfd full[CLIENTS_MAX];
static double waited = 0;

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static char *all_frames(long header, long size)
{
    char *data = malloc(prepared * size + 1), number[32];
    for (long n = 0; n < prepared; n++) {
        char *frame = data + n * size, *at = frame + header;
        frame[0] = (char)0x81;
        frame[1] = (char)(header == 2 ? bytes : 126);
        if (header == 4) {
            frame[2] = (char)(bytes >> 8);
            frame[3] = (char)bytes;
        }
        sprintf(number, "{\"n\":%012ld,\"x\":\"", n);
        memcpy(at, number, 23);
        for (long i = 0; i < bytes - 25; i++)
            at[23 + i] = FILLER[i % (sizeof FILLER - 1)];
        memcpy(at + bytes - 2, "\"}", 2);
    }
    return data;
}

static void accept_one(int listening)
{
    char request[4096];
    size_t length = 0;
    int client = accept(listening, NULL, NULL), on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    do {
        ssize_t got = recv(client, request + length, sizeof request - 1 - length, 0);
        if (got <= 0)
            exit(1);
        length += got;
        request[length] = 0;
    } while (!strstr(request, "\r\n\r\n"));
    const char *reply = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    send(client, reply, strlen(reply), 0);
    fcntl(client, F_SETFL, O_NONBLOCK);
    clients[connected++] = client;
}

static long least(long one, long other)
{
    return one < other ? one : other;
}

/* Give each client the stream up to byte `end`, `turn_bytes` in a call, until none lacks more than `lacking_max`. */
static void hand_out(const char *data, long data_bytes, long end, long turn_bytes, long lacking_max)
{
    for (;;) {
        long lacking = 0;
        int pending = 0;
        for (int i = 0; i < connected; i++) {
            ssize_t sent = 0;
            while (given[i] < end && sent >= 0) {
                off_t at = given[i] % data_bytes;
                long size = least(end - given[i], least(data_bytes - at, turn_bytes - given[i] % turn_bytes));
                sent = pages ? sendfile(clients[i], file, &at, size) : send(clients[i], data + at, size, MSG_NOSIGNAL);
                if (sent < 0 && errno != EAGAIN)
                    exit(1);
                given[i] += sent > 0 ? sent : 0;
            }
            if (given[i] < end)
                full[pending++] = (struct pollfd){clients[i], POLLOUT, 0};
            if (end - given[i] > lacking)
                lacking = end - given[i];
        }
        if (lacking <= lacking_max)
            return;
        long long began = now_ns();
        poll(full, pending, -1);
        waited += (now_ns() - began) / 1e9;
    }
}

int main(int count, char **arguments)
{
    char name[16], line[64];
    long value;
    for (int i = 1; i < count; i++)
        if (sscanf(arguments[i], "--%15[a-z]=%ld", name, &value) == 2) {
            if (!strcmp(name, "messages")) messages = value;
            if (!strcmp(name, "turn")) turn = value;
            if (!strcmp(name, "rate")) rate = value;
            if (!strcmp(name, "bytes")) bytes = value;
            if (!strcmp(name, "lose")) lose = value;
            if (!strcmp(name, "prepared")) prepared = value;
            if (!strcmp(name, "pages")) pages = value;
        }
    long header = bytes < 126 ? 2 : 4, size = header + bytes;
    char *data = all_frames(header, size);
    if (lose >= 0 && lose < prepared) {
        memmove(data + lose * size, data + (lose + 1) * size, (prepared - lose - 1) * size);
        prepared--;
        messages--;
    }
    if (pages) {
        file = memfd_create("stream", 0);
        for (long at = 0; at < prepared * size;)
            at += write(file, data + at, prepared * size - at);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    bind(listening, (struct sockaddr *)&address, sizeof address);
    listen(listening, 4096);
    getsockname(listening, (struct sockaddr *)&address, &length);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);

    struct pollfd waiting[2] = {{listening, POLLIN, 0}, {0, POLLIN, 0}};
    while (!waiting[1].revents) {
        poll(waiting, 2, -1);
        if (waiting[0].revents)
            accept_one(listening);
    }
    if (!fgets(line, sizeof line, stdin))
        return 0;
    long long started = now_ns();
    for (long end = 0; end < messages;) {
        end = least(messages, rate ? (now_ns() - started) * rate / 1000000000 + 1 : end + turn);
        hand_out(data, prepared * size, end * size, rate ? LONG_MAX : turn * size, rate ? LONG_MAX : BUFFERED_BYTES_MAX);
    }
    hand_out(data, prepared * size, messages * size, LONG_MAX, 0);
    if (!fgets(line, sizeof line, stdin))
        return 0;
    printf("{\"waited_seconds\": %f, \"started_ns\": %lld}\n", waited, started);
    fflush(stdout);
    return fgets(line, sizeof line, stdin) ? 0 : 0;
}
