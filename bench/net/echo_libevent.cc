// libevent's echo server, as its book writes it: a bufferevent a connection, whose input is moved
// to its output without a copy. libevent 2.1 reads at most 4 KiB at a time (EVBUFFER_MAX_READ),
// whatever bufferevent_set_max_single_read() asks for.

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>

#include "bench/net/server.h"

namespace {

void on_read(bufferevent* connection, void*) {
  evbuffer_add_buffer(bufferevent_get_output(connection), bufferevent_get_input(connection));
}

void on_event(bufferevent* connection, short events, void*) {
  if ((events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) bufferevent_free(connection);
}

void on_accept(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bufferevent* connection =
      bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(connection, on_read, nullptr, on_event, nullptr);
  bufferevent_set_max_single_read(connection, leat::bench::kReadSize);
  bufferevent_set_max_single_write(connection, leat::bench::kReadSize);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

}  // namespace

int main() {
  // The two settings that its authors offer for speed: no locks for what one thread uses, and one
  // epoll_ctl for all changes of a descriptor between two waits.
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
  event_base* base = event_base_new_with_config(config);

  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  evconnlistener* listener =
      evconnlistener_new_bind(base, on_accept, nullptr, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE,
                              leat::bench::kBacklog, generic, static_cast<int>(length));
  if (listener == nullptr ||
      ::getsockname(evconnlistener_get_fd(listener), generic, &length) != 0) {
    std::perror("bench_echo_libevent");
    return 1;
  }
  leat::bench::announce(ntohs(address.sin_port), "libevent", event_get_version());
  return event_base_dispatch(base) == 0 ? 0 : 1;
}
