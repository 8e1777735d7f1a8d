/* The least that a broadcast costs: one thread, one frame, send(2) to each client. It answers the
 * clients' handshakes so far that they come in, and all of them are in its one room. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 20000, AT_ONCE = 512, LINE = 1 << 20, FRAME = 4096 };
static const char HELLO[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
    "\x81\x2f" "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000}";
static const char LET_IN[] = "\x81\x15" "40/orders,{\"sid\":\"x\"}";
static const char JOINED[] = "\x81\x0d" "43/orders,0[]";
static int members[MOST], count, heard[MOST];
static char line[LINE], frame[FRAME];

static long long microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* `body` is the JSON of what is told, its closing brace cut off. */
static void tell(const char *body) {
    int size = snprintf(frame + 4, FRAME - 4, "42/orders,[\"order:updated\",%s,\"t\":%lld}]", body,
                        microseconds());
    frame[0] = '\x81', frame[1] = 126, frame[2] = (char)(size >> 8), frame[3] = (char)size;
    for (int each = 0; each < count; each++)
        if (send(members[each], frame, size + 4, MSG_NOSIGNAL | MSG_DONTWAIT) != size + 4)
            perror("send"), exit(1);
}

/* {"rooms": ["all", ...], "body": {...}}: as often as there are rooms. */
static void obey(char *asked) {
    char *body = strstr(asked, "\"body\": ") + 8;
    body[strlen(body) - 2] = 0;
    for (char *room = asked; (room = strstr(room, "\"all\"")) && room < body; room++) tell(body);
}

/* The first that a client sends is its handshake, the second a CONNECT, the third an event. */
static void answer(int client) {
    char received[4096];
    if (recv(client, received, sizeof received, 0) <= 0 || client >= MOST) {
        close(client);
        return;
    }
    switch (heard[client]++) {
        case 0: send(client, HELLO, sizeof HELLO - 1, MSG_NOSIGNAL); break;
        case 1: send(client, LET_IN, sizeof LET_IN - 1, MSG_NOSIGNAL); break;
        case 2: send(client, JOINED, sizeof JOINED - 1, MSG_NOSIGNAL); members[count++] = client;
    }
}

int main(void) {
    int door = socket(AF_INET, SOCK_STREAM, 0), yes = 1, poll = epoll_create1(0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT")))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(door, (struct sockaddr *)&here, sizeof here) || listen(door, 4096)) return 1;
    for (int each = 0; each < 2; each++) {
        int watched = each ? door : STDIN_FILENO;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched};
        epoll_ctl(poll, EPOLL_CTL_ADD, watched, &event);
    }
    // What lies in a buffer of stdio's nobody is woken for.
    setvbuf(stdin, 0, _IONBF, 0);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[AT_ONCE];
        int found = epoll_wait(poll, events, AT_ONCE, -1);
        for (int each = 0; each < found; each++) {
            int ready = events[each].data.fd;
            if (ready == STDIN_FILENO) {
                if (!fgets(line, LINE, stdin)) return 0;
                obey(line);
            } else if (ready == door) {
                int client = accept(door, 0, 0);
                struct epoll_event event = {.events = EPOLLIN, .data.fd = client};
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
            } else {
                answer(ready);
            }
        }
    }
}
