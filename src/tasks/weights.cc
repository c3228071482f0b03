#include "tasks/weights.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPiece = size_t{8} << 20;

void walk(Context& context, const MappedFile& file, const std::string& stage,
          const std::function<void(std::span<const std::byte>)>& use) {
  const std::span<const std::byte> bytes = file.bytes();
  for (size_t done = 0; done < bytes.size(); done += kPiece) {
    context.check_cancelled();
    context.report(stage, static_cast<int64_t>(done), static_cast<int64_t>(bytes.size()));
    const auto piece = bytes.subspan(done, std::min(kPiece, bytes.size() - done));
    use(piece);
    file.drop_pages(piece.data(), piece.size());
  }
  context.report(stage, static_cast<int64_t>(bytes.size()), static_cast<int64_t>(bytes.size()));
}

// Beside the file: what was added and when its checksum was known.
fs::path record_path(const fs::path& file) { return file.string() + ".json"; }

WeightsStatus status_of(const PublishedWeights& row) {
  WeightsStatus status{.row = &row, .file = weights_path(row)};
  std::error_code gone;
  status.bytes = fs::file_size(status.file, gone);
  if (gone) {
    status.bytes = 0;
    if (fs::is_symlink(status.file)) status.note = "its link leads nowhere; add it again";
    return status;
  }
  status.state = WeightsState::Unverified;
  if (!fs::exists(record_path(status.file))) {
    status.note = "has no record; add it again with nibble weights add";
    return status;
  }
  const Json record = read_json_file(record_path(status.file));
  const auto sha = record.find("sha256");
  if (!record.is_object() || sha == record.end() || !sha->is_string())
    fail(ErrorCode::Corrupt, "file {}: want a record with sha256; add {} again", record_path(status.file).string(),
         row.name);
  status.sha256 = sha->get<std::string>();
  if (!row.sha256.empty() && status.sha256.starts_with(row.sha256)) status.state = WeightsState::Verified;
  return status;
}

void check_sum(const PublishedWeights& row, const AddWeights& request, const std::string& found) {
  if (row.sha256.empty() || found.starts_with(row.sha256) || request.unverified) return;
  fail(ErrorCode::InvalidArgument,
       "file {}: want {} with sha256 {}{} found {}; download it again ({}), or accept another file of the same network "
       "with --unverified",
       request.file.string(), row.file, row.sha256, row.sha256.size() < 64 ? "…" : "", found, row.source);
}

void put_link(const fs::path& target, const fs::path& file) {
  fs::path temporary = file;
  temporary += ".partial";
  fs::remove(temporary);
  fs::create_symlink(fs::absolute(target), temporary);
  fs::rename(temporary, file);
}

void put_copy(Context& context, const MappedFile& from, const fs::path& file) {
  AtomicFile out(file);
  walk(context, from, "copy", [&](std::span<const std::byte> piece) { out.write(piece.data(), piece.size()); });
  out.commit();
}

std::string size_text(uintmax_t bytes) {
  const double size = static_cast<double>(bytes);
  return bytes < 1'000'000 ? format("{:.1f} kB", size / 1e3) : format("{:.1f} MB", size / 1e6);
}

}  // namespace

std::string sha256_of(Context& context, const MappedFile& file, const std::string& stage) {
  Sha256 hash;
  walk(context, file, stage, [&](std::span<const std::byte> piece) { hash.add(piece.data(), piece.size()); });
  return hash.hex();
}

const char* to_string(WeightsState state) {
  switch (state) {
    case WeightsState::Absent:
      return "absent";
    case WeightsState::Verified:
      return "verified";
    case WeightsState::Unverified:
      return "unverified";
    case WeightsState::Damaged:
      return "damaged";
  }
  return "";
}

std::vector<WeightsStatus> list_weights() {
  std::vector<WeightsStatus> rows;
  for (const PublishedWeights& row : published_weights()) rows.push_back(status_of(row));
  return rows;
}

WeightsStatus add_weights(Context& context, const AddWeights& request) try {
  const PublishedWeights& row = find_published_weights(request.name);
  const auto source = MappedFile::open(request.file);
  const std::string sha256 = sha256_of(context, *source);
  check_sum(row, request, sha256);
  check_weights_structure(row, request.file);
  const fs::path file = weights_path(row);
  fs::create_directories(file.parent_path());
  if (fs::exists(file) && fs::equivalent(file, request.file) && (request.link || fs::is_symlink(file)))
    fail(ErrorCode::InvalidArgument, "file {}: already is the file of {}; give the original", request.file.string(),
         row.name);
  if (request.link)
    put_link(request.file, file);
  else if (!fs::exists(file) || !fs::equivalent(file, request.file))
    put_copy(context, *source, file);
  const Json record = {{"name", row.name},
                       {"sha256", sha256},
                       {"bytes", source->bytes().size()},
                       {"from", fs::absolute(request.file).string()}};
  write_file(record_path(file), record.dump(2) + "\n");
  return status_of(row);
} catch (const fs::filesystem_error& error) {
  fail(ErrorCode::Io, "weights {}: {}", request.name, error.what());
}

std::vector<WeightsStatus> check_weights(Context& context, const std::string& name) {
  std::vector<WeightsStatus> rows;
  if (name.empty()) {
    for (WeightsStatus& row : list_weights())
      if (row.bytes > 0 || !row.note.empty()) rows.push_back(std::move(row));
  } else {
    require_weights(name);
    rows.push_back(status_of(find_published_weights(name)));
  }
  for (WeightsStatus& status : rows) {
    if (status.bytes == 0 || status.sha256.empty()) {
      status.state = WeightsState::Damaged;
      if (status.note.empty()) status.note = "it is empty; add it again";
      continue;
    }
    const std::string found = sha256_of(context, *MappedFile::open(status.file));
    if (found != status.sha256) {
      status.state = WeightsState::Damaged;
      status.note = format("sha256: want {} found {}; add it again", status.sha256, found);
    } else {
      check_weights_structure(*status.row, status.file);
    }
  }
  return rows;
}

std::string weights_text(const std::vector<WeightsStatus>& rows) {
  std::string text = format("folder {}\n", weights_folder().string());
  for (const WeightsStatus& s : rows) {
    const std::string size = s.bytes > 0 ? size_text(s.bytes) : "";
    text += format("{:<16} {:<11} {:>10}  {:<13} {}\n", s.row->name, to_string(s.state), size, s.row->licence,
                   s.row->needed_by);
    if (s.state == WeightsState::Absent) text += format("{:16}   {}: {}\n", "", s.row->file, s.row->source);
    if (!s.note.empty()) text += format("{:16}   {}\n", "", s.note);
  }
  return text;
}

OrderedJson weights_json(const std::vector<WeightsStatus>& rows) {
  OrderedJson list = OrderedJson::array();
  for (const WeightsStatus& s : rows) {
    OrderedJson row = {{"name", s.row->name},
                       {"state", to_string(s.state)},
                       {"path", s.file.string()},
                       {"bytes", s.bytes},
                       {"sha256", s.sha256},
                       {"published_file", s.row->file},
                       {"published_sha256", std::string(s.row->sha256)},
                       {"licence", s.row->licence},
                       {"needed_by", s.row->needed_by},
                       {"source", s.row->source}};
    if (!s.note.empty()) row["note"] = s.note;
    list.push_back(std::move(row));
  }
  return {{"folder", weights_folder().string()}, {"weights", std::move(list)}};
}

}  // namespace nibble
