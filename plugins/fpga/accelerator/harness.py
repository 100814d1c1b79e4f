"""The C++ around the Verilator model: feeds instructions, is the memory outside, counts cycles. Ours."""

HARNESS = r"""
// arguments: instructions, memory before, memory after, bytes of an instruction, bytes of a word, latency of a read
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <vector>
#include "Vaccelerator.h"
#include "verilated.h"

using Bytes = std::vector<char>;
double sc_time_stamp() { return 0; }

Bytes read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

int main(int, char** argv) {
    const Bytes code = read_file(argv[1]);
    Bytes memory = read_file(argv[2]);
    const size_t step = atoi(argv[4]), word = atoi(argv[5]), latency = atoi(argv[6]);
    const size_t count = code.size() / step;
    Vaccelerator top;
    std::deque<std::pair<bool, size_t>> reads(latency, {false, 0});
    size_t next = 0;
    unsigned long long cycle = 0;
    top.rst = 0;
    while (true) {
        top.clk = 0;
        top.instruction_valid = next < count;
        if (next < count) memcpy(&top.instruction, &code[next * step], step);
        const auto answer = reads.front();
        top.read_valid = answer.first;
        if (answer.first) memcpy(&top.read_data, &memory[answer.second * word], word);
        top.eval();
        if (top.idle && next == count) break;
        reads.pop_front();
        reads.push_back({bool(top.read), top.read_address});
        if (top.read && (top.read_address + 1ull) * word > memory.size()) return 3;
        if (top.write) {
            if ((top.write_address + 1ull) * word > memory.size()) return 4;
            memcpy(&memory[size_t(top.write_address) * word], &top.write_data, word);
        }
        if (top.instruction_ready && next < count) {
            printf("%llu\n", cycle);
            next++;
        }
        top.clk = 1;
        top.eval();
        if (++cycle > 4000000000ull) return 5;
    }
    printf("%llu\n", cycle);
    std::ofstream(argv[3], std::ios::binary).write(memory.data(), memory.size());
    return 0;
}
"""
