#include "leat/net/internal/tls_files.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "leat/base/unique_fd.h"
#include "leat/net/internal/tls_error.h"

namespace leat::internal {

namespace {

// The largest bundle of roots is well below 1 MiB; somebody's core file is not to be read.
constexpr std::size_t kLargestFile = 16 * 1024 * 1024;

/// The text of a file, wiped when it goes: it may be a key.
struct SecretText {
  SecretText() = default;
  SecretText(SecretText&&) = default;
  SecretText& operator=(SecretText&&) = delete;
  ~SecretText() { OPENSSL_cleanse(text.data(), text.size()); }

  std::string text;
};

Error unusable(const std::string& file, std::string_view reason) {
  std::string context = file;
  return Error::invalid_argument(context.append(": ").append(reason));
}

Result<SecretText> read_file(const std::string& file) {
  if (file.empty()) return Error::invalid_argument("TLS: the name of a file is missing");
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) return Error::from_errno(errno, "open " + file);
  if (!S_ISREG(status.st_mode)) return unusable(file, "it is not a regular file");
  if (static_cast<std::size_t>(status.st_size) > kLargestFile) return unusable(file, "too large");
  SecretText content;
  content.text.resize(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < content.text.size()) {
    const ssize_t count =
        ::read(fd.get(), content.text.data() + filled, content.text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::from_errno(errno, "read " + file);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  content.text.resize(filled);
  return content;
}

BioPtr over(const SecretText& content) {
  return BioPtr(BIO_new_mem_buf(content.text.data(), static_cast<int>(content.text.size())));
}

Result<std::vector<X509Ptr>> parse_certificates(const SecretText& content,
                                                const std::string& file) {
  ERR_clear_error();
  const BioPtr bio = over(content);
  std::vector<X509Ptr> found;
  while (bio) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    found.push_back(std::move(next));
  }
  const unsigned long last = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (!at_end) {
    return unusable(file, "a certificate in it is damaged: " + take_openssl_errors());
  }
  ERR_clear_error();
  if (found.empty()) return unusable(file, "there is no certificate (PEM) in it");
  return found;
}

/// OpenSSL would ask on the terminal.
int no_password(char* /*into*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<PrivateKeyPtr> load_key(const std::string& file) {
  const Result<SecretText> content = read_file(file);
  if (!content) return content.error();
  ERR_clear_error();
  bool is_encrypted = false;
  const BioPtr bio = over(*content);
  PrivateKeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, &is_encrypted));
  if (key) return key;
  const std::string errors = take_openssl_errors();
  if (is_encrypted)
    return unusable(file, "the key is encrypted, and nobody is there to decrypt it");
  return unusable(file, "there is no usable private key (PEM) in it: " + errors);
}

Result<void> check_dates(const TlsCertificate& certificate) {
  const auto out_of_time = [&certificate](std::string_view what) {
    std::string context = certificate.file;
    return Error::from_errno(EKEYEXPIRED, context.append(": the certificate ").append(what));
  };
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.leaf.get())) <= 0) {
    return out_of_time("has expired");
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate.leaf.get())) > 0) {
    return out_of_time("is not valid yet");
  }
  return {};
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::vector<std::string> names_in(X509& certificate) {
  std::vector<std::string> names;
  auto* const others = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(others); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(others, i), &type);
    if (type == GEN_DNS) names.push_back(text_of(static_cast<const ASN1_STRING*>(value)));
  }
  GENERAL_NAMES_free(others);
  if (!names.empty()) return names;
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    names.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  }
  return names;
}

}  // namespace

Result<TlsCertificate> load_certificate(const TlsCertificateFiles& files, bool refuse_expired) {
  const Result<SecretText> content = read_file(files.chain);
  if (!content) return content.error();
  Result<std::vector<X509Ptr>> parsed = parse_certificates(*content, files.chain);
  if (!parsed) return parsed.error();
  Result<PrivateKeyPtr> key = load_key(files.key);
  if (!key) return key.error();

  TlsCertificate certificate;
  certificate.file = files.chain;
  certificate.leaf = std::move(parsed->front());
  certificate.key = std::move(*key);
  certificate.chain.reset(sk_X509_new_null());
  for (auto next = parsed->begin() + 1; next != parsed->end(); ++next) {
    if (sk_X509_push(certificate.chain.get(), next->get()) > 0) static_cast<void>(next->release());
  }
  if (X509_check_private_key(certificate.leaf.get(), certificate.key.get()) != 1) {
    ERR_clear_error();
    return unusable(files.key, "the key does not match the certificate in " + files.chain);
  }
  if (refuse_expired) {
    if (const Result<void> dates = check_dates(certificate); !dates) return dates.error();
  }
  certificate.host_names =
      files.host_names.empty() ? names_in(*certificate.leaf) : files.host_names;
  for (std::string& name : certificate.host_names) name = lower_case(name);
  ERR_clear_error();
  return certificate;
}

Result<TlsRoots> load_roots(const std::string& file) {
  Result<SecretText> content = read_file(file);
  if (!content) return content.error();
  Result<std::vector<X509Ptr>> parsed = parse_certificates(*content, file);
  if (!parsed) return parsed.error();
  return TlsRoots{.certificates = std::move(*parsed), .content = std::move(content->text)};
}

TlsCertificateInfo describe(const TlsCertificate& certificate) {
  std::tm date{};
  ASN1_TIME_to_tm(X509_get0_notAfter(certificate.leaf.get()), &date);
  return {.file = certificate.file,
          .subject = subject_of(*certificate.leaf),
          .host_names = certificate.host_names,
          .not_after = std::chrono::system_clock::from_time_t(::timegm(&date))};
}

std::string subject_of(const X509& certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio) return {};
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string lower_case(std::string_view name) {
  std::string lowered(name);
  // Host names are ASCII; the locale has no say.
  for (char& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

}  // namespace leat::internal
