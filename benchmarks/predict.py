"""``predict`` beside a bare loop, over many files, killed at random moments, and its reader on damaged images.

bundle_over_bare, torch_over_bare: pictures a second of the command (once its engines are open, no pictures drawn) over
    those of a bare loop (decode, resize, network) with a process a core, on the same 500 pictures of 640x480 at 320 px,
    YOLOv5n; the median of ROUNDS rounds in turn. runtime_over_bare: the engine in one process over a bare session.
drawn_over_bare: with a picture drawn of each. start_seconds: the command on one picture, whole, with a bundle.
peak_mb_10k, peak_mb_100k: largest resident memory of a process over so many links. kills: runs that were killed
    (SIGKILL, all processes) at random moments and resumed; lost, doubled: files of the finished run.
image_cases, undocumented_errors: damaged images, and those that were neither a picture nor the one error.

python benchmarks/predict.py [PART ...]     parts: speed, many, kills, images; by default all (about 20 minutes)
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import psutil
from finetuning import ROOT, WEIGHTS, convert_weights
from mutated_images import mutated
from record import RESULTS, record

from detplug.errors import ImageError
from detplug.images.letterbox import letterbox
from detplug.images.preparation import normalise
from detplug.images.reading import read_image
from detplug.runtime.tables import read_table, rows_of

CONFIG, SIDE, PICTURES, ROUNDS, CORES = 'configs/yolov5/yolov5n_coco-tiny.py', 320, 500, 3, os.cpu_count()
FOLDER = ROOT / 'work_dirs' / 'benchmarks' / 'predict'
COMMAND = [sys.executable, str(ROOT / 'tools' / 'predict.py')]


def main() -> None:
    parts = sys.argv[1:] or ['speed', 'many', 'kills', 'images']
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = RESULTS / 'predict.json'
    figures = json.loads(path.read_text())['figures'] if path.exists() else {}
    for part in parts:
        figures |= {'speed': speed, 'many': many, 'kills': kills, 'images': images}[part]()
    record('predict', figures, [0])


def bundle() -> Path:
    """YOLOv5n at 320 px, exported."""
    convert_weights('../shared/weights/yolov5n.pt')
    os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))
    out = FOLDER / 'bundle'
    if not out.exists():
        command = [sys.executable, ROOT / 'tools/export.py', ROOT / CONFIG, WEIGHTS, '--out', out, '--img-size', SIDE]
        subprocess.run([str(x) for x in command], check=True)
    return out


def pictures() -> Path:
    """500 JPEG files of 640x480, smooth noise with sharp squares."""
    folder = FOLDER / 'pictures'
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        path = folder / f'{number:03d}.jpg'
        if not path.exists():
            picture = cv2.resize(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8), (640, 480))
            for x, y in rng.integers(0, 400, (12, 2)).tolist():
                picture[y : y + 50, x : x + 40] = rng.integers(0, 256, 3)
            cv2.imwrite(str(path), picture)
    return folder


# -- speed -------------------------------------------------------------------------------------------------------------


def speed() -> dict[str, float]:
    """Rates of the command, of the engine and of bare loops, in turn."""
    exported, folder = bundle(), pictures()
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, rate in (
            ('bare', lambda: bare(bare_session, exported, folder)),
            ('bundle', lambda: command([exported, folder], '--no-pictures')),
            ('drawn', lambda: command([exported, folder], '--pictures', PICTURES)),
            ('bare_torch', lambda: bare(bare_torch, exported, folder)),
            ('torch', lambda: command([ROOT / CONFIG, WEIGHTS, folder], '--no-pictures', *torch_side())),
            ('one_session', lambda: one_process(bare_session, exported, folder)),
            ('one_engine', lambda: one_process(bare_engine, exported, folder)),
            ('start', lambda: started(exported, next(folder.iterdir()))),
        ):
            rates.setdefault(name, []).append(rate())
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return {
        'bundle_over_bare': middle['bundle'] / middle['bare'],
        'drawn_over_bare': middle['drawn'] / middle['bare'],
        'torch_over_bare': middle['torch'] / middle['bare_torch'],
        'runtime_over_bare': middle['one_engine'] / middle['one_session'],
        'start_seconds': middle['start'],
        'bundle_per_second': middle['bundle'],
        'torch_per_second': middle['torch'],
    }


def torch_side() -> list[str]:
    """The config's pipeline at the side of the bundle."""
    return ['--cfg-options', f'test_dataloader.dataset.pipeline.1.scale=({SIDE},{SIDE})']


def command(model: list, *options) -> float:
    """Pictures a second that the command says."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        words = [*COMMAND, *model, '--out', out, '--workers', CORES, *options]
        done = subprocess.run([str(x) for x in words], check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.endswith('a second'))
    return float(line.split()[-3])


def started(exported: Path, picture: Path) -> float:
    """Seconds of the command on one picture."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        began = time.perf_counter()
        subprocess.run([str(x) for x in (*COMMAND, exported, picture, '--out', out)], check=True, capture_output=True)
        return time.perf_counter() - began


def bare(loop, exported: Path, folder: Path) -> float:
    """Pictures a second of ``loop`` with a process a core, from the first one's begin to the last one's end."""
    files = sorted(str(path) for path in folder.iterdir())
    with get_context('spawn').Pool(CORES) as pool:
        times = pool.starmap(loop, [(exported, files[part::CORES], 1) for part in range(CORES)], chunksize=1)
    return len(files) / (max(end for _, end in times) - min(begin for begin, _ in times))


def one_process(loop, exported: Path, folder: Path) -> float:
    """Pictures a second of ``loop`` in one process of one thread."""
    files = sorted(str(path) for path in folder.iterdir())[:200]
    with get_context('spawn').Pool(1) as pool:
        began, ended = pool.apply(loop, (exported, files, 1))
    return len(files) / (ended - began)


def bare_session(exported: Path, files: list[str], threads: int) -> tuple[float, float]:
    """Decode, resize, run the session: nothing else."""
    import onnxruntime

    cv2.setNumThreads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(exported / 'model.onnx'), options)
    spec = json.loads((exported / 'manifest.json').read_text())['input']
    began = time.time()
    for file in files:
        canvas, _ = letterbox(cv2.imread(file), (SIDE, SIDE))
        session.run(None, {spec['name']: normalise(canvas, spec)[None]})
    return began, time.time()


def bare_engine(exported: Path, files: list[str], threads: int) -> tuple[float, float]:
    """The same through the engine."""
    from detplug.runtime.onnx_engine import OnnxEngine

    cv2.setNumThreads(threads)
    engine = OnnxEngine(exported, 'cpu', threads)
    began = time.time()
    for file in files:
        engine([read_image(file)])
    return began, time.time()


def bare_torch(exported: Path, files: list[str], threads: int) -> tuple[float, float]:
    """Decode, resize, the torch model's own prediction."""
    import torch
    from mmdet.structures import DetDataSample

    from detplug.cli.config import load_config
    from detplug.cli.detector import build_detector

    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    model = build_detector(load_config(ROOT / CONFIG), WEIGHTS)
    began = time.time()
    for file in files:
        image = cv2.imread(file)
        canvas, place = letterbox(image, (SIDE, SIDE), fixed=False)
        meta = dict(ori_shape=image.shape[:2], img_shape=place.inner[::-1], scale_factor=place.scale)
        inputs = torch.from_numpy(canvas.transpose(2, 0, 1).copy())
        with torch.inference_mode():
            model.test_step(dict(inputs=[inputs], data_samples=[DetDataSample(metainfo=meta)]))
    return began, time.time()


# -- many files --------------------------------------------------------------------------------------------------------


def links(count: int) -> Path:
    """A folder of so many links to the pictures."""
    folder, sources = FOLDER / f'links_{count}', sorted(pictures().iterdir())[:300]
    if not folder.exists():
        folder.mkdir()
        for number in range(count):
            (folder / f'{number:06d}.jpg').symlink_to(sources[number % len(sources)])
    return folder


def small_bundle() -> Path:
    """YOLOv5n at 64 px: the files are what counts."""
    bundle()
    out = FOLDER / 'small'
    if not out.exists():
        words = [sys.executable, ROOT / 'tools/export.py', ROOT / CONFIG, WEIGHTS, '--out', out, '--img-size', 64]
        subprocess.run([str(x) for x in words], check=True)
    return out


def many() -> dict[str, float]:
    """Largest resident memory of any process, over 10,000 and over 100,000 files."""
    return {f'peak_mb_{count // 1000}k': peak(count) for count in (10_000, 100_000)}


def peak(count: int) -> float:
    """MB (2**20 bytes)."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        words = [*COMMAND, small_bundle(), links(count), '--out', out, '--workers', CORES, '--no-pictures']
        process, most = psutil.Popen([str(x) for x in words], stdout=subprocess.DEVNULL), 0
        while process.poll() is None:
            for one in (process, *process.children(recursive=True)):
                try:
                    most = max(most, one.memory_info().rss)
                except psutil.Error:
                    continue
            time.sleep(0.2)
        assert process.returncode == 0
        check(Path(out), count)
    return most / 2**20


def check(out: Path, count: int) -> tuple[int, int]:
    """(files lost, files doubled) of a finished run of ``count`` files."""
    names = [row['file_name'] for path in out.glob('images-*.parquet') for row in rows_of(path)]
    boxes = sum(sum(read_table(path)['boxes']) for path in out.glob('images-*.parquet'))
    assert boxes == sum(1 for path in out.glob('part-*.parquet') for _ in rows_of(path))
    return count - len(set(names)), len(names) - len(set(names))


def kills(times: int = 30, count: int = 10_000) -> dict[str, float]:
    """A run of 10,000 files that is killed 30 times and resumed."""
    rng, done = random.Random(0), 0
    with tempfile.TemporaryDirectory(dir=FOLDER) as out:
        words = [*COMMAND, small_bundle(), links(count), '--out', out, '--workers', CORES, '--no-pictures']
        while done < times:
            process = subprocess.Popen([str(x) for x in words], start_new_session=True, stdout=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0.2, 4.0))
                break  # the run was faster than its killer
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                done += 1
        subprocess.run([str(x) for x in words], check=True, stdout=subprocess.DEVNULL)
        lost, doubled = check(Path(out), count)
    return {'kills': done, 'lost': lost, 'doubled': doubled}


# -- damaged images ----------------------------------------------------------------------------------------------------


def images(count: int = 2000) -> dict[str, float]:
    """Each is a picture or the one documented error."""
    read = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, content in mutated(count):
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                read += read_image(path).shape[2] == 3
            except ImageError as error:
                wrong += '\n' in str(error) or str(path) not in str(error)
            except Exception as error:
                print(f'{name}: {type(error).__name__}: {error}', file=sys.stderr)
                wrong += 1
            path.unlink()
    return {'image_cases': count, 'pictures_read': read, 'undocumented_errors': wrong}


if __name__ == '__main__':
    main()
