#include "tasks/machine.h"

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 3;
constexpr double kUsualPictureByte = 200e-9, kUsualStart = 25e-6;

// Ops whose cost is that of their arithmetic, and what they usually reach of which peak.
struct HeavyOp {
  const char *name, *efficiency_field;
  double usual_efficiency;
  bool integer;
};
constexpr HeavyOp kHeavyOps[] = {{"linear", "linear_efficiency", 0.85, false},
                                 {"conv2d", "conv2d_efficiency", 0.8, false},
                                 {"attention", "attention_efficiency", 0.6, false},
                                 {"linear_w16", "linear_efficiency", 0.8, false},
                                 {"conv2d_w16", "conv2d_efficiency", 0.75, false},
                                 {"linear_int8", "linear_int8_efficiency", 0.7, true},
                                 {"conv2d_int8", "conv2d_int8_efficiency", 0.7, true},
                                 {"linear_int4", "linear_int4_efficiency", 0.65, true},
                                 {"conv2d_int4", "conv2d_int4_efficiency", 0.65, true}};

double positive(const Json& json, const char* field, double otherwise, const std::string& where) {
  if (!json.contains(field)) return otherwise;
  if (!json[field].is_number() || !(json[field].get<double>() > 0))
    fail(ErrorCode::InvalidArgument, "{}: {}: want a number above 0", where, field);
  return json[field].get<double>();
}

double required(const Json& json, const char* field, const std::string& where) {
  if (!json.contains(field))
    fail(ErrorCode::InvalidArgument, "{}: {} is missing; a device has name, cores, f32_gflops, bf16_gflops, bandwidth_gb_s", where, field);
  return positive(json, field, 1, where);
}

// From peaks: usual efficiencies of our kernels, and passes bound by memory.
MachineProfile profile_from_peaks(const Json& json, const std::string& where) {
  MachineProfile p;
  p.name = json.value("name", "device");
  p.origin = where;
  p.threads = static_cast<int>(required(json, "cores", where));
  const double bandwidth = required(json, "bandwidth_gb_s", where) * 1e9;
  const double f32 = required(json, "f32_gflops", where) * 1e9, bf16 = positive(json, "bf16_gflops", f32 / 1e9, where) * 1e9;
  const double int8 = positive(json, "int8_gops", 2 * f32 / 1e9, where) * 1e9;
  for (const auto& [precision, peak, size] : {std::tuple{"f32", f32, 4.0}, {"bf16", bf16, 2.0}}) {
    PrecisionCost& cost = p.precisions[precision];
    for (const HeavyOp& op : kHeavyOps)
      cost.by_op[op.name] = {1 / ((op.integer ? int8 : peak) * positive(json, op.efficiency_field, op.usual_efficiency, where)), 2 / bandwidth,
                             kUsualStart};
    cost.seconds_per_element = 2 * size / bandwidth;
  }
  p.seconds_per_node = kUsualStart / 5;
  p.seconds_per_mapped_byte = p.seconds_per_fresh_byte = 1 / bandwidth;
  p.seconds_per_picture_byte = kUsualPictureByte;
  return p;
}

}  // namespace

Json to_json(const MachineProfile& p) {
  Json json = {{"format", kFormat},
               {"name", p.name},
               {"threads", p.threads},
               {"seconds_per_node", p.seconds_per_node},
               {"seconds_per_mapped_byte", p.seconds_per_mapped_byte},
               {"seconds_per_fresh_byte", p.seconds_per_fresh_byte},
               {"seconds_per_picture_byte", p.seconds_per_picture_byte}};
  for (const auto& [name, cost] : p.precisions) {
    Json& to = json["precisions"][name];
    to["seconds_per_element"] = cost.seconds_per_element;
    for (const auto& [op, work] : cost.by_op)
      to[op] = {{"seconds_per_operation", work.seconds_per_operation},
                {"seconds_per_weight_byte", work.seconds_per_weight_byte},
                {"seconds_per_op", work.seconds_per_op}};
  }
  return json;
}

MachineProfile profile_from_json(const Json& json, const std::string& where) {
  MachineProfile p;
  try {
    p.name = json.at("name");
    p.origin = where;
    p.threads = json.at("threads");
    p.seconds_per_node = json.at("seconds_per_node");
    p.seconds_per_mapped_byte = json.at("seconds_per_mapped_byte");
    p.seconds_per_fresh_byte = json.at("seconds_per_fresh_byte");
    p.seconds_per_picture_byte = json.at("seconds_per_picture_byte");
    for (const auto& [name, from] : json.at("precisions").items()) {
      PrecisionCost& cost = p.precisions[name];
      cost.seconds_per_element = from.at("seconds_per_element");
      for (const HeavyOp& op : kHeavyOps) {
        const Json& work = from.at(op.name);
        cost.by_op[op.name] = {work.at("seconds_per_operation"), work.at("seconds_per_weight_byte"), work.at("seconds_per_op")};
      }
    }
  } catch (const Json::exception& e) {
    fail(ErrorCode::Corrupt, "{}: not a machine profile ({}); run 'nibble bench' again", where, e.what());
  }
  return p;
}

MachineProfile read_device(const fs::path& file) {
  const Json json = read_json_file(file);
  if (!json.is_object()) fail(ErrorCode::Corrupt, "{}: want a JSON object", file.string());
  return json.contains("precisions") ? profile_from_json(json, file.string()) : profile_from_peaks(json, file.string());
}

fs::path profile_path(int threads) {
  fs::path cache;
  if (const char* folder = std::getenv("NIBBLE_CACHE")) cache = folder;
  else if (const char* home = std::getenv("HOME")) cache = fs::path(home) / ".cache/nibble";
  else cache = fs::temp_directory_path() / "nibble";
  return cache / format("machine-{}.json", threads);
}

std::optional<MachineProfile> saved_profile(int threads) {
  const fs::path file = profile_path(threads);
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  const Json json = read_json_file(file);
  if (!json.is_object() || !json.contains("format") || json["format"] != kFormat) return std::nullopt;
  return profile_from_json(json, file.string());
}

void save_profile(const MachineProfile& profile) {
  const fs::path file = profile_path(profile.threads);
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) fail(ErrorCode::Io, "folder {}: cannot create: {}; set NIBBLE_CACHE", file.parent_path().string(), error.message());
  write_file(file, to_json(profile).dump(2) + "\n");
}

double predict_seconds(const MachineProfile& machine, DType precision, const GraphCost& cost) {
  const auto found = machine.precisions.find(to_string(precision));
  if (found == machine.precisions.end())
    fail(ErrorCode::InvalidArgument, "machine {}: no figures for {}", machine.name, to_string(precision));
  double seconds = 0;
  const auto plain = found->second.by_op.find("linear");
  for (const auto& [op, kind] : cost.by_op) {
    const auto work = found->second.by_op.find(op);
    const double count = static_cast<double>(kind.count);
    seconds += kind.element_passes * found->second.seconds_per_element;
    if (work == found->second.by_op.end())  // products inside other ops are plain ones
      seconds += count * machine.seconds_per_node + (plain == found->second.by_op.end() ? 0 : kind.operations * plain->second.seconds_per_operation);
    else
      seconds += kind.operations * work->second.seconds_per_operation + kind.weight_bytes * work->second.seconds_per_weight_byte +
                 count * work->second.seconds_per_op;
  }
  return seconds;
}

}  // namespace nibble
