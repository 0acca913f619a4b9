// leat serve: files over HTTP, TCP echo, TCP discard, on all cores.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leat/reactor/event_loop.h"
#include "leat/reactor/event_loop_thread_pool.h"

#include "apps/leat/cli_options.h"
#include "apps/leat/command.h"
#include "apps/leat/descriptor_limit.h"
#include "apps/leat/service.h"
#include "apps/leat/serving.h"

namespace leat::app {

namespace {

int serve(ServeOptions& options) {
  raise_descriptor_limit();
  if (!options.certificates.empty()) {
    TlsServerOptions tls;
    tls.certificates = options.certificates;
    if (!options.directory.empty()) tls.protocol.alpn = {"http/1.1"};
    const Result<std::shared_ptr<TlsContext>> context = TlsContext::server(std::move(tls));
    if (!context) return fail("serve", context.error().message());
    options.tls = *context;
  }
  Result<std::unique_ptr<EventLoop>> base = EventLoop::create({.name = "base"});
  if (!base) return fail("serve", base.error().message());
  Serving serving(**base, options);
  if (const Result<void> started = serving.start(); !started) {
    return fail("serve", started.error().message());
  }
  return serving.run();
}

void add_listen(CLI::App& parser, ServeOptions& options) {
  const auto add = [&options](const std::vector<std::string>& texts) {
    options.listen.clear();
    for (const std::string& text : texts) {
      const Result<InetAddress> address = InetAddress::parse(text);
      if (!address) throw CLI::ValidationError("--listen", address.error().context());
      options.listen.push_back(*address);
    }
  };
  parser
      .add_option_function<std::vector<std::string>>(
          "--listen", add,
          "127.0.0.1:80, [::1]:80, *:80, unix:PATH, unix:@NAME;\n"
          "port 0 takes a free one; may be repeated [127.0.0.1:8080]")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
}

void add_balance(CLI::App& parser, ServeOptions& options) {
  const auto parse = [&options](const std::string& text) -> Result<void> {
    const Result<Balance> balance = parse_balance(text);
    if (!balance) return balance.error();
    options.balance = *balance;
    return {};
  };
  add_parsed(parser, "--balance", parse,
             "How connections come to the loops: round_robin,\nkernel_hash, shared, incoming_cpu,"
             "\nleast_connections, standby [kernel_hash]")
      ->type_name("HOW");
  parser.add_flag("--force-balance", options.force_balance,
                  "Allow incoming_cpu on loopback, where the\nclients' CPUs decide");
}

/// What keeps clients when listeners change hands.
void add_succession(CLI::App& parser, ServeOptions& options) {
  parser
      .add_option("--takeover", options.takeover,
                  "Take over the listeners of the process that serves with\n"
                  "the same PATH (@NAME: abstract), which then drains; the\n"
                  "first one binds. Without --listen: all that it had")
      ->type_name("PATH");
  parser.add_flag("--share-port", options.share_port,
                  "Others of the same user may listen there too (SO_REUSEPORT)");
  parser.add_flag("--migrate", options.migrate,
                  "What waits in a listener that closes goes to others that\n"
                  "share its port (Linux 5.14, needs CAP_BPF, CAP_NET_ADMIN)");
  parser.add_flag("--close-listeners", options.close_listeners,
                  "With SIGTTOU, close the listeners of the loop instead of\n"
                  "accepting from them elsewhere; loses without --migrate");
}

void add_tls(CLI::App& parser, ServeOptions& options) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  const auto add = [&options](const Pairs& pairs) {
    options.certificates.clear();
    for (const auto& [chain, key] : pairs) {
      options.certificates.push_back({.chain = chain, .key = key});
    }
  };
  parser
      .add_option_function<Pairs>("--tls", add,
                                  "Serve by TLS, with the certificates and the key in these\n"
                                  "PEM files, read again at SIGHUP; may be repeated, for\n"
                                  "other host names")
      ->type_name("CERT KEY")
      ->allow_extra_args(false);
}

constexpr std::string_view kFooter =
    "The first lines on stdout name the addresses; nothing is printed for each connection.\n"
    "Sockets that systemd passes (LISTEN_FDS) are used for the addresses that they have.\n"
    "SIGTERM and SIGINT let connections finish, a second one ends at once.";

}  // namespace

Command add_serve(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("serve", "Serve files over HTTP, TCP echo or discard");
  parser->footer(std::string(kFooter));
  const auto options = std::make_shared<ServeOptions>();
  options->loops.count = EventLoopThreadPool::one_per_cpu();

  CLI::Option* echo = parser->add_flag("--echo", options->echo, "Send everything back");
  CLI::Option* discard = parser->add_flag("--discard", options->discard, "Throw everything away");
  CLI::Option* directory =
      parser->add_option("DIR", options->directory, "Directory to serve")->type_name("");
  directory->excludes(echo)->excludes(discard);
  echo->excludes(discard);
  add_listen(*parser, *options);
  add_threads(*parser, "--loops", options->loops,
              "Event loops, each a thread: a number, or CPUs to pin one\n"
              "to each, as 0-3 or 0,2 [one for each CPU, not pinned]");
  add_number<std::size_t>(*parser, "--max-loops", options->max_loops, 1, kMostThreads,
                          "With it SIGTTIN makes one loop more accept, up to so many,\n"
                          "and SIGTTOU one less");
  add_balance(*parser, *options);
  add_succession(*parser, *options);
  add_tls(*parser, *options);
  add_number<std::size_t>(*parser, "--max-connections", options->max_connections, 1, 10'000'000,
                          "Most open connections; more wait in the accept queues\n"
                          "[no bound but descriptors]");
  add_seconds(*parser, "--idle-timeout", options->idle_timeout,
              "Closes a connection without a byte, or without a request,\n"
              "for so long; 0: never [files 75, others 0]");
  add_seconds(*parser, "--write-timeout", options->write_timeout,
              "Closes a connection whose client takes nothing of what\n"
              "waits for it, for so long; 0: never [files 30, others 0]");
  add_number(*parser, "--backlog", options->backlog, 1, 1'000'000,
             "Length of each accept queue [4096]");
  add_seconds(*parser, "--drain-timeout", options->drain_timeout,
              "How long connections may take to finish when stopping [10]");
  add_seconds(*parser, "--first-input-grace", options->first_input_grace,
              "How long of that those may take that have sent nothing yet [1]");
  parser->add_flag("--json", options->json, "Tell everything as JSON, an object a line");
  return {parser, [options] {
            if (options->directory.empty() && !options->echo && !options->discard) {
              fail("serve", "name a directory, or --echo or --discard\nSee leat serve --help");
              return int{kUsage};
            }
            return serve(*options);
          }};
}

}  // namespace leat::app
